#!/usr/bin/env python3
"""Makes tests/data/addresses.json: what the address filters of ansible.utils give.

Run with a Python that has ansible-core 2.19 and netaddr, and the collection's folder
(the one above ansible_collections):  python tests/oracle/make_addresses.py FOLDER
The file is committed; the unit test needs only the file.
"""
import importlib
import json
import pathlib
import sys

sys.path[:0] = sys.argv[1:]

from ansible.utils.display import Display

Display.warning = lambda *a, **k: None

VALUES = [
    "192.168.1.5", "192.168.1.5/24", "192.168.1.0/24", "10.0.0.0/8", "10.1.2.3/30", "10.1.2.2/31", "10.1.2.3/32",
    "10.0.0.0/255.255.0.0", "8.8.8.8", "127.0.0.1", "224.0.0.1", "169.254.3.4", "0.0.0.0/0", "255.255.255.0", "100.64.0.1",
    "2001:db8::1", "2001:db8::/64", "2001:db8::5/64", "fe80::1", "::1", "ff02::1", "2002:c0a8:105::1/48", "::ffff:1.2.3.4",
    "2607:f8b0::1/127", "fd00::1/64", 3232235781, "3232235776/24", "nonsense", "", True, "300.1.1.1", "10.0.0.1/33", None,
]
QUERIES = [
    "", "address", "ip", "address/prefix", "bool", "broadcast", "cidr", "6to4", "first_usable", "last_usable", "range_usable",
    "next_usable", "previous_usable", "peer", "host", "hostmask", "int", "ip/prefix", "ip_netmask", "ipv4", "ipv6",
    "link-local", "loopback", "multicast", "unicast", "private", "public", "net", "netmask", "network", "network/prefix",
    "network_netmask", "network_wildcard", "prefix", "revdns", "size", "size_usable", "subnet", "type", "version", "wrap",
    "1", "-1", "0", "300", "192.168.0.0/16", "2001:db8::/32", "nonsense",
]
MORE = [
    ["ipaddr", ["10.0.0.1", "x", "2001:db8::1", "10.0.0.0/24"], ["net"], {}],
    ["ipv4", ["10.0.0.1", "2001:db8::1", "192.168.1.0/24"], [], {}],
    ["ipv6", ["10.0.0.1", "2001:db8::1"], ["wrap"], {}],
    ["ipv4", "2001:db8::1", [], {}], ["ipv6", "2001:db8::1", [], {}], ["ipv4", "10.0.0.1", ["version"], {}],
    ["ipwrap", ["10.0.0.1", "2001:db8::1", "2001:db8::1/64", "name"], [], {}], ["ipwrap", "2001:db8::1", [], {}],
    ["ipwrap", "name", [], {}],
    ["cidr_merge", ["10.0.0.0/25", "10.0.0.128/25", "10.0.1.0/24", "2001:db8::/33", "2001:db8:8000::/33"], [], {}],
    ["cidr_merge", ["192.168.1.1", "192.168.1.2", "192.168.1.3"], [], {}], ["cidr_merge", [], ["span"], {}],
    ["cidr_merge", ["10.1.1.0/24", "10.1.3.7/24"], ["span"], {}], ["cidr_merge", ["10.1.1.5/24"], ["span"], {}],
    ["cidr_merge", ["10.1.1.5/24"], ["nope"], {}],
    ["ip4_hex", "192.168.1.5", [], {}], ["ip4_hex", "192.168.1.5", [":"], {}], ["ip4_hex", "x", [], {}],
    ["ipcut", "2001:db8:1234::1", [64], {}], ["ipcut", "2001:db8:1234::1", [-64], {}], ["ipcut", "10.1.2.3", [16], {}],
    ["ipmath", "192.168.1.5", [5], {}], ["ipmath", "192.168.1.5/24", [-10], {}], ["ipmath", "2001:db8::1", [16], {}],
    ["ipmath", "0.0.0.1", [-5], {}],
    ["ipsubnet", "192.168.144.0/20", [], {}], ["ipsubnet", "192.168.144.0/20", ["26"], {}],
    ["ipsubnet", "192.168.144.0/20", ["26", 0], {}], ["ipsubnet", "192.168.144.0/20", ["26", -1], {}],
    ["ipsubnet", "192.168.144.0/20", ["26", 64], {}], ["ipsubnet", "192.168.144.5", ["20"], {}],
    ["ipsubnet", "192.168.144.5", ["18", 0], {}], ["ipsubnet", "192.168.144.5", ["18", -1], {}],
    ["ipsubnet", "192.168.144.5", ["18", 5], {}], ["ipsubnet", "192.168.144.16/30", ["192.168.144.0/24"], {}],
    ["ipsubnet", "192.168.144.5", ["192.168.144.0/24"], {}], ["ipsubnet", "192.168.144.0/20", ["8"], {}],
    ["ipsubnet", "10.0.0.1", ["192.168.144.0/24"], {}], ["ipsubnet", "2001:db8::/32", ["64", 5], {}],
    ["ipsubnet", "2001:db8::/32", ["48"], {}], ["ipsubnet", "x", ["48"], {}], ["ipsubnet", "192.168.144.5/24", ["26", 1], {}],
    ["ipv6form", "2001:db8::1", ["expand"], {}], ["ipv6form", "2001:0db8:0000::1", ["compress"], {}],
    ["ipv6form", "2001:db8::1", ["x509"], {}],
    ["network_in_network", "192.168.0.0/24", ["192.168.0.1"], {}], ["network_in_network", "192.168.0.0/24", ["192.168.0.0/25"], {}],
    ["network_in_network", "192.168.0.0/24", ["192.168.1.1"], {}], ["network_in_network", "192.168.0.0/24", ["192.168.0.255"], {}],
    ["network_in_usable", "192.168.0.0/24", ["192.168.0.255"], {}], ["network_in_usable", "192.168.0.0/24", ["192.168.0.254"], {}],
    ["network_in_usable", "192.168.0.0/24", ["192.168.0.0/25"], {}], ["network_in_usable", "10.0.0.4/31", ["10.0.0.5"], {}],
    ["next_nth_usable", "192.168.122.1/24", [2], {}], ["next_nth_usable", "192.168.122.254/24", [2], {}],
    ["next_nth_usable", "192.168.122.1", [2], {}], ["next_nth_usable", "192.168.122.0/24", [1], {}],
    ["previous_nth_usable", "192.168.122.10/24", [2], {}], ["previous_nth_usable", "192.168.122.1/24", [2], {}],
    ["nthhost", "10.0.0.0/8", [305], {}], ["nthhost", "10.0.0.0/8", [-1], {}], ["nthhost", "2001:db8::/64", [5], {}],
    ["nthhost", "x", [5], {}],
    ["reduce_on_network", ["192.168.0.34", "10.3.0.3", "192.168.2.34", "192.168.0.0/25"], ["192.168.0.0/24"], {}],
    ["slaac", "fdcf:1894:23b5:d38c:0000:0000:0000:0000", ["c2:31:b3:83:bf:2b"], {}],
    ["slaac", "2001:db8::/64", ["1a:2b:3c:4d:5e:6f"], {}], ["slaac", "10.0.0.0/8", ["1a:2b:3c:4d:5e:6f"], {}],
    ["usable_range", "192.168.1.0/30", [], {}], ["usable_range", "2001:db8::/126", [], {}], ["usable_range", "192.168.1.1/30", [], {}],
]
for query in ["", "bare", "bool", "int", "cisco", "eui48", "linux", "pgsql", "unix", "win", "nope"]:
    for value in ["1a:2b:3c:04:05:06", "1A-2B-3C-04-05-06", "1a2b.3c04.0506", "1a2b3c040506", "1a2b3c:040506", "x"]:
        MORE.append(["hwaddr", value, [query], {}])
MORE.append(["macaddr", "1a2b.3c04.0506", ["linux"], {}])

filters = {}
for name in sorted({row[0] for row in MORE} | {"ipaddr"}):
    module = importlib.import_module(f"ansible_collections.ansible.utils.plugins.filter.{name}")
    filters.update(module.FilterModule().filters())

rows = []
for name, value, args, kwargs in [["ipaddr", value, [query], {}] for value in VALUES for query in QUERIES] + MORE:
    try:
        call = filters[name]
        first = (None,) if hasattr(call, "jinja_pass_arg") else ()
        found = call(*first, value, *args, **kwargs)
        rows.append([name, value, args, repr(found)])
    except Exception as error:
        rows.append([name, value, args, "error"])

path = pathlib.Path(__file__).parents[1] / "data" / "addresses.json"
path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
print(len(rows), "rows,", sum(row[3] == "error" for row in rows), "errors")
