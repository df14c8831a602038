"""Writes tests/data/keywords.json: the keywords of ansible-core's own classes, with kinds and inheritance.

Run with the Python of a virtual environment that has ansible-core:  VENV/bin/python tests/oracle/make_keywords.py
"""
import json
import pathlib

from ansible.cli import CLI  # noqa: F401  sets the stage for what follows
from ansible.playbook.attribute import NonInheritableFieldAttribute
from ansible.playbook.block import Block
from ansible.playbook.handler import Handler
from ansible.playbook.loop_control import LoopControl
from ansible.playbook.play import Play
from ansible.playbook.playbook_include import PlaybookInclude
from ansible.playbook.role.include import RoleInclude
from ansible.playbook.task import Task
from ansible.playbook.task_include import TaskInclude

CLASSES = {"play": Play, "role": RoleInclude, "block": Block, "task": Task, "handler": Handler,
           "import_playbook": PlaybookInclude}


def keywords(cls):
    found = {}
    for name, attribute in cls.fattributes.items():
        if attribute.private or name.startswith("_"):
            continue
        name = attribute.alias or name
        found[name] = {
            "isa": attribute.isa,
            "inherits": not isinstance(attribute, NonInheritableFieldAttribute),
            "extends": bool(getattr(attribute, "extend", False)),
            "static": bool(getattr(attribute, "static", False)),
        }
    # The aliases of `fattributes` are listed under both names.
    return {name: found[name] for name in sorted(found) if not (name == "async_val")}


data = {place: keywords(cls) for place, cls in CLASSES.items()}
data["loop_control"] = keywords(LoopControl)
data["include"] = sorted(TaskInclude.VALID_INCLUDE_KEYWORDS - {"loop_with"})
target = pathlib.Path(__file__).resolve().parent.parent / "data" / "keywords.json"
target.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")
