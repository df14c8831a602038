#!/bin/sh
# Run by mmdebstrap on the finished root folder ($1) of the virtual machine: network, users, mounts, quiet boot.
# $2 is the folder of the build with the client's public key; it gets the kernel and the machine's host key.
set -eu
root=$1
build=$2

echo hostctl-vm >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 hostctl-vm\n' >"$root/etc/hosts"
rm -f "$root/etc/resolv.conf"
echo 'nameserver 10.0.2.3' >"$root/etc/resolv.conf"
# With an id the first boot is an ordinary one.
chroot "$root" systemd-machine-id-setup >/dev/null 2>&1

cat >"$root/etc/systemd/network/10-eth0.network" <<'CONF'
[Match]
Name=eth0
[Network]
DHCP=ipv4
LinkLocalAddressing=no
CONF
chroot "$root" systemctl -q enable systemd-networkd.service ssh.service

# /var/lib/docker and /data lie on the second disk, see layout.sh.
cat >"$root/etc/fstab" <<'CONF'
/dev/vda / ext4 defaults,noatime 0 1
/dev/mapper/vg0-docker /var/lib/docker ext4 defaults,noatime 0 2
/dev/mapper/vg0-data /data xfs defaults,noatime 0 2
CONF
mkdir -p "$root/var/lib/docker" "$root/data"

# Emulation is slow enough without translations and without a flush for each unpacked file.
echo 'Acquire::Languages "none";' >"$root/etc/apt/apt.conf.d/10lab"
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/lab"

# Nothing may hold the package lock or the disk behind a test's back.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    e2scrub_reap.service man-db.timer; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

chroot "$root" useradd --create-home --shell /bin/bash --password '*' stack
echo 'stack ALL=(ALL:ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/stack"
chmod 0440 "$root/etc/sudoers.d/stack"
for home in /root /home/stack; do
    install -d -m 0700 "$root$home/.ssh"
    install -m 0600 "$build/client.pub" "$root$home/.ssh/authorized_keys"
done
chroot "$root" chown -R stack:stack /home/stack/.ssh

# The serial console is a root shell, for looking at a machine whose network is gone.
mkdir -p "$root/etc/systemd/system/serial-getty@ttyS0.service.d"
cat >"$root/etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf" <<'CONF'
[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200 - $TERM
CONF

install -D -m 0755 "$(dirname "$0")/layout.sh" "$root/usr/local/lib/hostctl-lab/layout.sh"

# xfsprogs depends on Python for one program that nobody needs here, and hostctl must do without Python: the same
# package without that dependency, with a version of its own.
chroot "$root" sh -eu <<'SH'
cd /tmp
apt-get download -qq xfsprogs
dpkg-deb -R xfsprogs_*.deb xfsprogs
sed -i -e '/^Depends:/s/python3[^,]*, *//' -e '/^Depends:/s/, *python3[^,]*$//' -e 's/^Version:.*/&+lab1/' xfsprogs/DEBIAN/control
dpkg-deb -b xfsprogs xfsprogs-lab.deb >/dev/null
apt-get install -qq -y ./xfsprogs-lab.deb
rm -rf xfsprogs*
SH

# The stand-in goes in with dpkg, as no repository has it.
cp "$build/command-not-found.deb" "$root/tmp/"
chroot "$root" dpkg -i /tmp/command-not-found.deb >/dev/null
rm "$root/tmp/command-not-found.deb"

# Packages that the tests install later: fetched once now, so that the mirror's cache has them.
chroot "$root" apt-get install -qq -y --download-only -o APT::Install-Recommends=true docker.io docker-registry mmdebstrap >/dev/null
chroot "$root" apt-get clean
rm -rf "$root"/var/lib/apt/lists/*

if chroot "$root" sh -c 'command -v python3 || command -v python' >&2; then
    echo "the image must not have python" >&2
    exit 1
fi

cp "$root"/boot/vmlinuz-* "$build/vmlinuz"
cp "$root"/boot/initrd.img-* "$build/initrd.img"
cp "$root/etc/ssh/ssh_host_ed25519_key.pub" "$build/host_key.pub"
