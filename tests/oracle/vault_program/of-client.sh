#!/bin/sh
[ "$2" = prod ] && echo another && exit 0
echo "no $2" >&2
exit 2
