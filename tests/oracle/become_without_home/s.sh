#!/bin/sh
id -un; echo "$1"
