#!/bin/sh
pwd; echo "$PWD"; readlink /proc/self/cwd
