# The image tree for the virtual machine's test, completed with what is not committed: the static busybox of this
# machine's package, and a small Debian root file system made by mmdebstrap through the lab's mirror (cached).
# shellcheck shell=bash

# In the image the package sources name a host that does not exist: a build that does not go through a proxy fails.
readonly TREE_MIRROR=http://mirror.invalid

tree_write() {
    local target=$1 rootfs
    require_packages vm mirror
    rootfs=$(tree_rootfs)
    install -d "$target"
    cp -r "$LAB_SRC/tree/." "$target/"
    install -m 0755 /bin/busybox "$target/tiny/busybox"
    cp "$rootfs" "$target/deb-base/rootfs.tar.gz"
}

# Prints the archive of the root file system, made if the cache does not have it.
tree_rootfs() {
    local file log=$LAB_DIR/log/tree-rootfs.log sources start=$SECONDS
    file=$LAB_CACHE/tree/$(sha256sum <"$LAB_SRC/lib/tree.sh" | cut -c1-16).tar.gz
    if [[ ! -s $file ]]; then
        ca_up
        mirror_up
        say "making the root file system of deb-base (log: $log)"
        install -d -m 0755 "$LAB_CACHE/tree"
        mapfile -t sources < <(mirror_sources "http://127.0.0.1:$(port_of mirror_plain)" "$VM_SUITE")
        # shellcheck disable=SC2016  # $1 is the hook's
        SOURCE_DATE_EPOCH=1700000000 mmdebstrap --mode=root --variant=apt --format=tar \
            --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
            --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
            --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/zoneinfo/*' \
            --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/log/*' \
            --customize-hook="sed -i 's#http://127[^/]*#$TREE_MIRROR#' \"\$1/etc/apt/sources.list\"" \
            "$VM_SUITE" - "${sources[@]}" 2>"$log" | gzip -n >"$file.new" ||
            die "it could not be made; the end of $log:"$'\n'"$(tail -n 20 "$log")"
        mv "$file.new" "$file"
        say "made in $((SECONDS - start)) s"
    fi
    echo "$file"
}
