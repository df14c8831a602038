#!/bin/sh
pwd; echo "$0" | sed "s,.*/,,"; echo "$@"
