#!/bin/sh
echo "{\"web\": {\"hosts\": [\"p1\"]}, \"_meta\": {\"hostvars\": {\"p1\": {\"v\": 7}}}}"
