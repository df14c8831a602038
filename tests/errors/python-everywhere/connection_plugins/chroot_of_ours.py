class Connection: pass
