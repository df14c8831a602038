#!/usr/bin/env python3
"""Compares what ansible-runner recorded of two runs of the same project: `runner_events.py REAL OURS`, two artifact folders.

Compared are the events of each task, host by host (names, parents, all keys, all values that do not change from run
to run), the order of what concerns no host, and the text of `stdout`."""

import json
import pathlib
import re
import sys

# What differs from run to run, or (the arguments with all defaults, `md5sum`) between the programs.
VOLATILE = {"uuid", "playbook_uuid", "play_uuid", "task_uuid", "parent_uuid", "pid", "created", "counter", "start_line",
            "end_line", "runner_ident", "start", "end", "duration", "delta", "ansible_job_id", "jid", "results_file",
            "invocation"}
# Keys that one of the programs alone has.
OPTIONAL = {"md5sum", "results_file", "ansible_port", "ansible_user", "ansible_connection"}
# A label is a text for hostctl.
AS_TEXT = {"_ansible_item_label"}


def events(folder):
    files = sorted((folder / "job_events").glob("*.json"), key=lambda file: int(file.name.split("-")[0]))
    return [json.loads(file.read_text()) for file in files]


def kept(key, inner):
    """Not the temporary file that Ansible copies from, which hostctl has not."""
    return key not in OPTIONAL and not (key == "src" and "/.ansible/tmp/" in str(inner))


def diff(value):
    """A difference without parts that only name a file: hostctl leaves out what has nothing to tell."""
    if isinstance(value, list):
        return [part for part in value if not isinstance(part, dict)
                or any(inner for key, inner in part.items() if key not in ("before_header", "after_header"))]
    return value


def steady(value):
    if isinstance(value, dict):
        return {key: "*" if key in VOLATILE else str(inner) if key in AS_TEXT
                else steady(diff(inner) if key == "diff" else inner)
                for key, inner in value.items() if kept(key, inner)}
    return [steady(inner) for inner in value] if isinstance(value, list) else value


def text(shown):
    """Output without times, places and the names of jobs."""
    shown = shown.replace("\r\n", "\n")
    shown = re.sub(r'"(delta|start|end|src|md5sum|ansible_job_id|results_file)": "[^"]*"', r'"\1": "*"', shown)
    shown = re.sub(r', "(md5sum|src)": "\*"', "", shown)
    # What failed is hidden with the rest.
    shown = shown.replace("Module failed: non-zero return code", "Module failed: *")
    shown = shown.replace("Module failed: the message is hidden, as 'no_log: true' says", "Module failed: *")
    return re.sub(r"jid=\S+", "jid=*", shown)


def lines(folder):
    """The events as lines: in each task, host by host; each with what it is about and all that is steady."""
    found = events(folder)
    names = {event["uuid"]: f'{event["event"]} {event.get("event_data", {}).get("name", "")}' for event in found}
    out, hosts = [], {}
    for event in found:
        host = event.get("event_data", {}).get("host")
        told = {"parent": names.get(event.get("parent_uuid")), **steady(event), "stdout": text(event.get("stdout", ""))}
        if host is None:
            for name in sorted(hosts):
                out += hosts[name]
            hosts = {}
            out.append(told)
        else:
            hosts.setdefault(host, []).append(told)
    return out


def differences(place, real, ours):
    """Where two values differ, as lines."""
    if isinstance(real, dict) and isinstance(ours, dict):
        return [line for key in sorted(real.keys() | ours.keys())
                for line in differences(f"{place}.{key}", real.get(key, "(no such key)"), ours.get(key, "(no such key)"))]
    if isinstance(real, list) and isinstance(ours, list) and len(real) == len(ours):
        return [line for at, pair in enumerate(zip(real, ours)) for line in differences(f"{place}[{at}]", *pair)]
    return [] if real == ours else [f"{place}:\n  real {real!r}\n  ours {ours!r}"]


def main():
    real, ours = (pathlib.Path(name) for name in sys.argv[1:3])
    wrong = 0
    a, b = lines(real), lines(ours)
    for at, (left, right) in enumerate(zip(a, b)):
        found = differences(f'event {at} ({left["event"]} {left.get("event_data", {}).get("task")})', left, right)
        wrong += len(found)
        print(*found, sep="\n", end="\n" if found else "")
        if left["event"] != right["event"]:
            break
    if len(a) != len(b):
        wrong += 1
        print(f"{len(a)} events, ours {len(b)}")
    left, right = (text((folder / "stdout").read_text()).splitlines() for folder in (real, ours))
    for at, (x, y) in enumerate(zip(left + [None], right + [None])):
        if x != y:
            wrong += 1
            print(f"stdout, line {at + 1}:\n  real {x}\n  ours {y}")
            break
    sys.exit(min(wrong, 1))


main()
