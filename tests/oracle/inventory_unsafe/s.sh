#!/bin/sh
cat <<'J'
{"web": {"hosts": ["w1", "w2"], "vars": {"tier": "front"}}, "db": {"hosts": ["d1"]}, "_meta": {"hostvars": {"w1": {"zone": "a", "n": 1}, "w2": {"zone": "b"}, "d1": {"zone": "a", "u": {"__ansible_unsafe": "{{ x }}"}}}}}
J
