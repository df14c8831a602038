#!/usr/bin/env python3
"""Runs a playbook by ansible-runner's Python interface and prints what that tells of it, as JSON:
`runner_api.py DATA_DIR PLAYBOOK IDENT CMDLINE`."""

import json
import sys

import ansible_runner

folder, playbook, ident, cmdline = sys.argv[1:]
seen = []


def handler(event):
    seen.append(event["event"])
    return True


run = ansible_runner.run(private_data_dir=folder, playbook=playbook, ident=ident, cmdline=cmdline, quiet=True,
                         event_handler=handler)
events = list(run.events)
stats = run.stats or {}
print(json.dumps({
    "status": run.status,
    "stats": stats,
    "events": len(events),
    "every event was handled": sorted(seen) == sorted(event["event"] for event in events),
    "events of hosts": {host: len(list(run.host_events(host))) for host in sorted(stats.get("processed", {}))},
}, indent=1, sort_keys=True))
