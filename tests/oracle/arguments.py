#!/usr/bin/env python3
"""Every argument and alias that ansible-doc has for a module that shares a name is in hostctl's reference of it:
implemented, or refused by name. Run with the Python of a virtual environment that has ansible-core."""
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
OWN = {"volume_grow", "network_bridge", "mirror_proxy", "image_build", "image_tags", "image_tag"}
# What ansible-doc calls the text behind a module's name, or any name at all.
FREE = {"free_form", "free-form", "key_value"}

names = sorted(path.stem for path in (ROOT / "docs/schema").glob("*.json") if path.stem not in OWN)
program = pathlib.Path(sys.executable).parent / "ansible-doc"
said = subprocess.run([program, "-j", "-t", "module", *("ansible.builtin." + name for name in names)],
                      capture_output=True, text=True, check=True)
docs = json.loads(said.stdout)
wrong = 0
for name in names:
    entry = docs.get("ansible.builtin." + name)
    if entry is None:
        print(f"{name}: ansible-doc does not know it")
        wrong += 1
        continue
    known = (ROOT / f"docs/schema/{name}.json").read_text() + (ROOT / f"docs/modules/{name}.md").read_text()
    for option, about in entry["doc"].get("options", {}).items():
        for spelling in [option, *about.get("aliases", [])]:
            if spelling not in FREE and f'"{spelling}"' not in known and f"`{spelling}`" not in known:
                print(f"{name}: `{spelling}` is neither there nor refused by name")
                wrong += 1
print(f"{len(names)} modules, {wrong} arguments or modules missing")
sys.exit(wrong > 0)
