#!/bin/sh
echo "$A"
