#!/usr/bin/env python3
"""Makes tests/data/plugins.json: the names of all filters, tests and lookups of ansible-core.

Run with a Python that has ansible-core 2.19 beside it:  python tests/oracle/make_plugins.py
The file is committed; the unit test needs only the file.
"""
import json
import pathlib
import subprocess
import sys

DOC = pathlib.Path(sys.executable).parent / "ansible-doc"
# Of collections that playbooks use as if they were part of ansible-core.
MORE = {
    "filter": ["ansible.utils.ipaddr", "ansible.utils.ipv4", "ansible.utils.ipv6", "ansible.utils.ipwrap",
               "ansible.utils.ipsubnet", "ansible.utils.ipmath", "ansible.utils.ip4_hex", "ansible.utils.ipv6form",
               "ansible.utils.cidr_merge", "ansible.utils.network_in_network", "ansible.utils.network_in_usable",
               "ansible.utils.next_nth_usable", "ansible.utils.nthhost", "ansible.utils.previous_nth_usable",
               "ansible.utils.reduce_on_network", "ansible.utils.slaac", "ansible.utils.hwaddr", "ansible.utils.macaddr",
               "ansible.utils.usable_range", "ansible.utils.ipcut", "community.general.json_query"],
    "test": [],
    "lookup": ["community.general.flattened"],
}

found = {}
for kind in ("filter", "test", "lookup"):
    text = subprocess.run([sys.executable, DOC, "-t", kind, "-l", "--json"], capture_output=True, text=True, check=True).stdout
    found[kind] = sorted(json.loads(text)) + MORE[kind]

path = pathlib.Path(__file__).parents[1] / "data" / "plugins.json"
path.write_text(json.dumps(found, indent=1) + "\n")
print({kind: len(names) for kind, names in found.items()})
