#!/bin/sh
echo "edited: true" >> "$1"
