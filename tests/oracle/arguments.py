#!/usr/bin/env python3
"""Compares the table of every module that shares its name with one of ansible.builtin: arguments with aliases, types,
choices, defaults and whether they are required, and return keys, with `ansible-doc -j`; rules among arguments (mutually
exclusive, required together, one of, if, by) with the module's own source.

Run with the Python of a virtual environment that has ansible-core. `--table` prints what was compared, a line a module.
What differs on purpose stands in arguments_known.py with its reason; an entry there that is no difference any more is an error."""
import importlib
import json
import pathlib
import re
import subprocess
import sys

import ansible.modules
from ansible.module_utils.basic import FILE_COMMON_ARGUMENTS

from arguments_known import KNOWN

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = pathlib.Path(ansible.modules.__path__[0])
OWN = {"volume_grow", "network_bridge", "mirror_proxy", "image_build", "image_attach", "image_doctor", "image_why", "image_tags", "image_tag", "README"}
# What ansible-doc calls the text behind a module's name, or any name at all.
FREE = {"free_form", "free-form", "key_value"}
KINDS = {"any": "raw", "str": "str", "path": "path", "bool": "bool", "int": "int", "float": "float", "dict": "dict"}


def ours(name):
    """The table of a module as its reference page has it."""
    text = (ROOT / f"docs/modules/{name}.md").read_text()
    arguments, refused, rules = {}, {}, set()
    section = ""
    for line in text.splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif section == "Arguments" and line.startswith("- `"):
            found = re.match(r"- `([^`]+)` \((list of [a-z]+|[a-z]+)(, required)?(?:, default `(.*?)`)?\)(?:, also ((?:`[^`]+`(?:, )?)+))?(?::|$)", line)
            if not found:
                raise SystemExit(f"{name}: cannot read the line: {line}")
            key, kind, required, default, also = found.groups()
            choices = re.search(r" One of ((?:`[^`]*`(?:, )?)+)\.$", line)
            arguments[key] = {
                "kind": kind, "required": bool(required), "default": None if default is None else json.loads(default),
                "aliases": set(re.findall(r"`([^`]+)`", also or "")),
                "choices": set(re.findall(r"`([^`]*)`", choices[1])) if choices else set(),
            }
        elif section == "Not supported" and line.startswith("- `"):
            refused[line.split("`")[1]] = line
        elif section == "Rules":
            names = re.findall(r"`([^`]+)`", line)
            for words, kind in (("At most one", "exclusive"), ("At least one", "one of"), ("All or none", "together")):
                if line.startswith(f"- {words} of"):
                    rules.add((kind, frozenset(names)))
            if " needs " in line and (pair := re.match(r"- `([^`:]+): ([^`]*)` needs", line)):
                rules.add(("if", pair[1], pair[2], frozenset(names[1:])))
            elif " needs " in line:
                rules.add(("by", names[0], frozenset(names[1:])))
    return arguments, refused, rules, "Any other argument is taken" in text


class Captured(Exception):
    """Instead of a module's work: what it makes its AnsibleModule of."""


def source(name):
    """The argument spec and the rules that a module's own code has; `None` if it makes no AnsibleModule."""
    if not (SOURCES / f"{name}.py").exists():
        return None
    module = importlib.import_module(f"ansible.modules.{name}")
    if not hasattr(module, "AnsibleModule") or not hasattr(module, "main"):
        return None

    def capture(argument_spec=None, **given):
        raise Captured(argument_spec, given)

    module.AnsibleModule = capture
    try:
        module.main()
    except Captured as caught:
        spec, given = caught.args
    else:
        return None
    rules = set()
    for word, kind in (("mutually_exclusive", "exclusive"), ("required_one_of", "one of"), ("required_together", "together")):
        groups = given.get(word) or []
        groups = [groups] if groups and isinstance(groups[0], str) else groups
        rules |= {(kind, frozenset(group)) for group in groups}
    for key, wanted, needed, *rest in given.get("required_if") or []:
        wanted = json.dumps(wanted).strip('"')
        rules.add(("if any" if rest and rest[0] and len(needed) > 1 else "if", key, wanted, frozenset(needed)))
    for key, needed in (given.get("required_by") or {}).items():
        rules.add(("by", key, frozenset([needed] if isinstance(needed, str) else needed)))
    spec = dict(spec)
    if given.get("add_file_common_args"):
        spec = FILE_COMMON_ARGUMENTS | spec
    return spec, rules


def texts(name):
    """The code of a module and of what it shares with others."""
    files = [ROOT / f"src/modules/{name}.rs", *(ROOT / f"src/modules/{name}").glob("*.rs")]
    own = {"template": ["copy"], "package": ["apt", "dnf"], "service": ["systemd"], "systemd_service": ["systemd"],
           "shell": ["command"], "get_url": ["web"], "uri": ["web"], "apt": ["apt_deb"], "user": ["user_key"]}.get(name, [])
    files += [ROOT / f"src/modules/{other}.rs" for other in own]
    files += [ROOT / f"src/modules/{other}.rs" for other in ("attributes", "place", "folders", "cx", "spec", "engine_args")]
    for other in own:
        files += (ROOT / f"src/modules/{other}").glob("*.rs")
    files += (ROOT / "src/engine").glob("*.rs") if not (ROOT / f"src/modules/{name}.rs").exists() or name in (
        "fetch", "slurp", "debug", "pause", "reboot", "wait_for_connection", "async_status", "set_stats", "script") else []
    return "\n".join(path.read_text() for path in files if path.exists())


def same(kind, theirs, mine):
    """Two defaults that mean the same."""
    if isinstance(theirs, str) and kind == "list":
        theirs = theirs.split(",")
    if theirs in (None, "", [], {}) and mine in (None, "", [], {}):
        return True
    if kind in ("int", "float") and None not in (theirs, mine):
        return float(theirs) == float(mine)
    if kind == "bool":
        truth = lambda one: str(one).lower() in ("yes", "true", "1", "on")  # noqa: E731
        return truth(theirs) == truth(mine) and (theirs is None) <= (mine in (None, False))
    return theirs == mine or str(theirs) == str(mine)


def compare(name, entry, wrong):
    arguments, refused, rules, any_argument = ours(name)
    by_name = {spelling: key for key, one in arguments.items() for spelling in (key, *one["aliases"])}
    options = {option: dict(about) for option, about in entry["doc"].get("options", {}).items() if option not in FREE}
    code = source(name)
    # The module's own code counts where its documentation says something else.
    for option, spec in (code[0] if code else {}).items():
        if option.startswith("_") or spec.get("removed_in_version") and option not in options:
            continue
        about = options.setdefault(option, {})
        kind = spec.get("type", "str")
        about |= {"type": kind if isinstance(kind, str) else "raw", "required": spec.get("required", False),
                  "default": spec.get("default"), "choices": spec.get("choices"),
                  "aliases": sorted({*about.get("aliases", []), *(spec.get("aliases") or [])})}
        if kind == "list":
            about["elements"] = spec.get("elements", "raw")
    for option, about in options.items():
        for spelling in (option, *(about.get("aliases") or [])):
            if spelling not in by_name and spelling not in refused and not any_argument:
                wrong(option, "missing", f"`{spelling}` is neither there nor refused by name")
        one = arguments.get(by_name.get(option, option))
        if one is None:
            continue
        kind, items = one["kind"], None
        if kind.startswith("list of "):
            kind, items = "list", KINDS[kind[8:]]
        kind = KINDS.get(kind, kind)
        theirs = about.get("type", "str")
        if kind != theirs:
            wrong(option, "type", f"`{option}` is {theirs} with Ansible, {kind} here")
        elif kind == "list" and about.get("elements", "raw") != items:
            wrong(option, "elements", f"`{option}` is a list of {about.get('elements', 'raw')} with Ansible, of {items} here")
        if bool(about.get("required")) != one["required"]:
            wrong(option, "required", f"`{option}` is {'' if about.get('required') else 'not '}required with Ansible")
        if not same(theirs, about.get("default"), one["default"]):
            wrong(option, "default", f"`{option}` is {about.get('default')!r} by default with Ansible, {one['default']!r} here")
        choices = {str(choice) for choice in about.get("choices") or []}
        if choices != one["choices"] and theirs != "bool":
            wrong(option, "choices", f"`{option}` is one of {sorted(choices)} with Ansible, of {sorted(one['choices'])} here")
    documented = {spelling for option, about in options.items() for spelling in (option, *(about.get("aliases") or []))}
    for key, one in arguments.items():
        for spelling in (key, *one["aliases"]):
            if spelling not in documented and not key.startswith("_"):
                wrong(spelling, "extra", f"`{spelling}` is no argument with Ansible")
    found = code[1] if code else None
    if found is not None:
        canonical = lambda rule: tuple(frozenset(by_name.get(one, one) for one in part) if isinstance(part, frozenset)  # noqa: E731
                                       else by_name.get(part, part) if at == 1 else part for at, part in enumerate(rule))
        found = {canonical(rule) for rule in found}
        rules = {canonical(rule) for rule in rules}
        for rule in sorted(found - rules, key=str):
            if not any(isinstance(part, frozenset) and part & refused.keys() for part in rule):
                wrong(rule_name(rule), "rule", f"a rule of Ansible's is missing: {shown(rule)}")
        for rule in sorted(rules - found, key=str):
            wrong(rule_name(rule), "rule", f"a rule that Ansible has not: {shown(rule)}")
    text = texts(name)
    keys = [key for key in (entry.get("return") or {}) if not key.startswith("ansible_facts")]
    for key in keys:
        if f'"{key}"' not in text and f"{key}:" not in text:
            wrong(key, "return", f"the return key `{key}` is nowhere in the module")
    return len(options), len(found or ()), len(keys)


def rule_name(rule):
    return "/".join(",".join(sorted(part)) if isinstance(part, frozenset) else part for part in rule[1:])


def shown(rule):
    return " ".join(", ".join(sorted(part)) if isinstance(part, frozenset) else str(part) for part in rule)


def main():
    names = sorted(path.stem for path in (ROOT / "docs/modules").glob("*.md") if path.stem not in OWN)
    program = pathlib.Path(sys.executable).parent / "ansible-doc"
    run = lambda *words: json.loads(subprocess.run([program, "-j", "-t", "module", *words],  # noqa: E731
                                                   capture_output=True, text=True, check=True).stdout)
    docs = run(*("ansible.builtin." + name for name in names))
    problems, used, totals = [], set(), [0, 0, 0]
    for name in names:
        entry = docs.get("ansible.builtin." + name)
        if entry is None:
            problems.append(f"{name}: ansible-doc does not know it")
            continue

        def wrong(what, sort, text, name=name):
            for key in ((name, what, sort), (name, "*", sort), ("*", what, sort)):
                if key in KNOWN:
                    used.add(key)
                    return
            problems.append(f"{name}: {text}  ({name!r}, {what!r}, {sort!r})")

        counts = compare(name, entry, wrong)
        totals = [total + count for total, count in zip(totals, counts)]
        if "--table" in sys.argv:
            print(f"{name}: {counts[0]} arguments, {counts[1]} rules, {counts[2]} return keys")
    problems += [f"not a difference any more: {key}" for key in sorted(KNOWN.keys() - used)]
    print("\n".join(problems))
    print(f"{len(names)} modules, {totals[0]} arguments, {totals[1]} rules, {totals[2]} return keys compared; "
          f"{len(used)} known differences, {len(problems)} problems")
    sys.exit(bool(problems))


main()
