#!/bin/sh
echo " word "
