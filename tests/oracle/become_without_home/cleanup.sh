userdel hostctl-nohome 2>/dev/null || true
