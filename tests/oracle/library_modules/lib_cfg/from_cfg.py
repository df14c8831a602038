#!/usr/bin/python3
# WANT_JSON
import json, sys
with open(sys.argv[1]) as f:
    args = json.load(f)
print(json.dumps({"changed": False, "x": args["x"], "keys": sorted(k for k in args if not k.startswith("_"))}))
