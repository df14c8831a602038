#!/bin/sh
echo '{"db": {"hosts": ["d1"]}, "web": {"hosts": ["w1"], "vars": [1]}, "_meta": {"hostvars": {}}}'
