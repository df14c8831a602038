#!/bin/sh
echo '{"web": {"hosts": "w1"}, "db": {"hosts": ["d1"]}, "_meta": {"hostvars": {}}}'
