"""Writes tests/data/settings.json: every setting of ansible-core with its names, type and choices.

    HOSTCTL_ORACLE_VENV/bin/python tests/oracle/make_settings.py

The tests of `ops::config` hold the table of settings to it.
"""
import json
import pathlib

import ansible
import yaml

base = yaml.safe_load((pathlib.Path(ansible.__file__).parent / "config/base.yml").read_text())
out = {}
for name, entry in sorted(base.items()):
    # Of ansible-core's own tests.
    if name.startswith("_Z_"):
        continue
    told = entry.get("deprecated")
    out[name] = {
        "type": (entry.get("type") or "string").lower(),
        "choices": list(entry.get("choices") or []),
        "env": [one["name"] for one in entry.get("env") or []],
        "ini": [[one["section"], one["key"]] for one in entry.get("ini") or []],
        "deprecated": told and [told["version"], told["why"], told.get("alternatives", "none")],
    }
path = pathlib.Path(__file__).resolve().parent.parent / "data/settings.json"
path.write_text(json.dumps(out, indent=1) + "\n")
print(len(out), "settings")
