#!/bin/sh
. "$1"
printf '{"changed": false, "got": "%s|%s|%s|%s|%s"}' "$a" "$b" "$c" "$d" "$l"
