#!/bin/sh
# Runs in the virtual machine instead of init, once, while the image is built (software emulation needs no loop devices
# or device mapper of the building machine): lays out the second disk for the tests of volume_grow, then powers off.
#   vdb, 12 GiB: vdb1, 6 GiB of it: LVM volume group vg0: docker 2 GiB ext4, data 1 GiB xfs, the rest free
set -eu
export PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
# The initrd has moved its mounts here already, or has not.
mountpoint -q /proc || mount -t proc proc /proc
mountpoint -q /sys || mount -t sysfs sysfs /sys
mountpoint -q /run || mount -t tmpfs tmpfs /run
modprobe dm_mod
/lib/systemd/systemd-udevd --daemon
udevadm trigger --settle --subsystem-match=block --subsystem-match=misc
echo 'label: gpt
size=6G, type=E6D6D379-F507-44C2-A23C-238F2A3DF928, name=lab' | sfdisk --quiet /dev/vdb
udevadm settle
pvcreate -q /dev/vdb1
vgcreate -q vg0 /dev/vdb1
lvcreate -q -y -n docker -L 2G vg0
lvcreate -q -y -n data -L 1G vg0
mkfs.ext4 -q -L docker /dev/mapper/vg0-docker
mkfs.xfs -q -L data /dev/mapper/vg0-data
vgchange -q -an vg0
sync
echo LAB-LAYOUT-DONE
sync
reboot -ff
