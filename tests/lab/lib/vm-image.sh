# Builds the virtual machine's image into the cache, in a folder named by the hash of its recipe:
# root.img (ext4, whole disk), data.qcow2 (see vm/layout.sh), vmlinuz, initrd.img, host_key.pub.
# shellcheck shell=bash

readonly VM_SUITE=bookworm
# xfsprogs comes in by vm/customize.sh.
readonly VM_PACKAGES=(systemd systemd-sysv dbus udev libpam-systemd linux-image-cloud-amd64 initramfs-tools
    openssh-server sudo lvm2 e2fsprogs fdisk parted iproute2 iputils-ping netbase procps kmod ca-certificates
    curl bash-completion)

vm_image_hash() {
    { cat "$LAB_SRC"/vm/*.sh "$LAB_SRC"/vm/command-not-found/* "$LAB_SRC/lib/vm-image.sh" "$(ssh_client_key).pub"; } |
        sha256sum | cut -c1-16
}

# vm_qemu ARGUMENT...: what every boot has in common. Software emulation unless HOSTCTL_LAB_VM_KVM=1.
# A small buffer of translated code: with the default of 1 GiB the kernel starts ten times slower after a reboot,
# because every page that held code before is watched.
vm_qemu() {
    local accel=(-accel "tcg,thread=multi,tb-size=64" -cpu max)
    if [[ ${HOSTCTL_LAB_VM_KVM:-0} == 1 ]]; then accel=(-accel kvm -cpu host); fi
    printf '%s\0' qemu-system-x86_64 -nodefaults -machine q35 "${accel[@]}" -smp 2 -m "${HOSTCTL_LAB_VM_MEMORY:-3G}" \
        -display none -device virtio-rng-pci "$@"
}

vm_kernel_line() { echo "root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet loglevel=4 mitigations=off $*"; }

# Prints the folder of the image, built if the cache does not have it.
vm_image() {
    local dir
    dir=$LAB_CACHE/vm/$(vm_image_hash)
    if [[ ! -e $dir/complete ]]; then
        vm_image_build "$dir" >&2
    fi
    touch "$dir"
    find "$LAB_CACHE/vm" -mindepth 1 -maxdepth 1 -mtime +7 -exec rm -rf {} +
    echo "$dir"
}

vm_image_build() {
    local dir=$1 build=$1.build log=$LAB_DIR/log/vm-image.log start=$SECONDS
    say "building the virtual machine's image (log: $log)"
    rm -rf "$dir" "$build"
    install -d -m 0755 "$build"
    cp "$(ssh_client_key).pub" "$build/client.pub"
    vm_image_stand_in "$build"
    vm_image_root "$build" >"$log" 2>&1 || die "the image's root could not be made; the end of $log:"$'\n'"$(tail -n 20 "$log")"
    vm_image_data "$build" || die "the data disk could not be laid out; the end of $log:"$'\n'"$(tail -n 20 "$log")"
    touch "$build/complete"
    mv "$build" "$dir"
    say "image built in $((SECONDS - start)) s"
}

vm_image_stand_in() {
    local tree=$1/cnf src=$LAB_SRC/vm/command-not-found
    install -D -m 0644 "$src/control" "$tree/DEBIAN/control"
    echo /etc/apt/apt.conf.d/50command-not-found >"$tree/DEBIAN/conffiles"
    install -D -m 0644 "$src/50command-not-found" "$tree/etc/apt/apt.conf.d/50command-not-found"
    install -D -m 0755 "$src/update-db" "$tree/usr/lib/command-not-found/update-db"
    dpkg-deb --root-owner-group --build "$tree" "$1/command-not-found.deb" >/dev/null
    rm -rf "$tree"
}

# The packages come through the lab's plain mirror port, which also fills its cache.
vm_image_root() {
    local build=$1 root=$1/root sources
    mapfile -t sources < <(mirror_sources "http://127.0.0.1:$(port_of mirror_plain)" "$VM_SUITE")
    [[ ${#sources[@]} -gt 0 ]] || { echo "this machine's apt sources do not have $VM_SUITE"; return 1; }
    # A small initrd: emulation takes long to unpack the usual one.
    # shellcheck disable=SC2016  # $1 is the hook's
    mmdebstrap --mode=root --variant=minbase --format=directory --include="$(IFS=,; echo "${VM_PACKAGES[*]}")" \
        --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --setup-hook='mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
            printf "MODULES=list\nCOMPRESS=zstd\n" >"$1/etc/initramfs-tools/conf.d/lab"
            printf "virtio_pci\nvirtio_blk\n" >"$1/usr/share/initramfs-tools/modules.d/lab"' \
        --customize-hook="$LAB_SRC/vm/customize.sh \"\$1\" '$build'" \
        "$VM_SUITE" "$root" "${sources[@]}" || return 1
    # The image's own dpkg must unpack documentation like any machine's, and its sources are set at each start.
    rm -f "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap" "$root/etc/apt/apt.conf.d/99mmdebstrap" "$root/etc/apt/sources.list"
    truncate -s 4G "$build/root.img"
    mkfs.ext4 -q -F -L root -d "$root" "$build/root.img"
    rm -rf --one-file-system "$root"
}

vm_image_data() {
    local build=$1 command console=$1/layout.log
    qemu-img create -q -f qcow2 "$build/data.qcow2" 12G
    mapfile -d '' -t command < <(vm_qemu -no-reboot -serial "file:$console" \
        -drive "file=$build/root.img,format=raw,if=virtio,snapshot=on" \
        -drive "file=$build/data.qcow2,format=qcow2,if=virtio,cache=unsafe" \
        -kernel "$build/vmlinuz" -initrd "$build/initrd.img" \
        -append "$(vm_kernel_line init=/usr/local/lib/hostctl-lab/layout.sh panic=-1)")
    timeout 180 "${command[@]}" >>"$LAB_DIR/log/vm-image.log" 2>&1 9>&- || true
    cat "$console" >>"$LAB_DIR/log/vm-image.log"
    grep -q LAB-LAYOUT-DONE "$console"
}
