class LookupModule: pass
