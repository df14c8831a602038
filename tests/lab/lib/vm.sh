# The virtual machine: each start boots the pristine image on throw-away overlays; a reboot inside keeps them.
# Hosts lab-vm (user stack, sudo without password) and lab-vm-root of the lab's ssh_config.
# shellcheck shell=bash

vm_up() {
    if ! daemon_pid vm >/dev/null; then
        vm_start
    fi
    env_write vm \
        SSH_CONFIG "$LAB_DIR/ssh_config" \
        SSH_KEY "$(ssh_client_key)" \
        SSH_KNOWN_HOSTS "$LAB_DIR/known_hosts" \
        VM_HOST lab-vm \
        VM_ROOT_HOST lab-vm-root \
        VM_SSH_PORT "$(port_of vm)" \
        VM_FINGERPRINT "$(ssh-keygen -lf "$LAB_DIR/vm/host_key.pub" | cut -d' ' -f2)" \
        VM_CONSOLE "$LAB_DIR/log/vm-console.log"
}

vm_start() {
    local dir=$LAB_DIR/vm image command start=$SECONDS
    image=$(vm_image)
    choose_port vm 12322
    install -d -m 0700 "$dir"
    rm -f "$dir"/*
    cp "$image/host_key.pub" "$dir/"
    qemu-img create -q -f qcow2 -F raw -b "$image/root.img" "$dir/root.qcow2"
    qemu-img create -q -f qcow2 -F qcow2 -b "$image/data.qcow2" "$dir/data.qcow2"
    ssh_config_base
    vm_client_config >"$LAB_DIR/ssh_config.d/vm.conf"
    known_host "$(port_of vm)" "$dir/host_key.pub"
    start=$SECONDS
    mapfile -d '' -t command < <(vm_qemu \
        -chardev "socket,id=console,path=$dir/console.sock,server=on,wait=off,logfile=$LAB_DIR/log/vm-console.log" \
        -serial chardev:console -monitor "unix:$dir/monitor.sock,server=on,wait=off" \
        -drive "file=$dir/root.qcow2,format=qcow2,if=virtio,cache=unsafe,discard=unmap" \
        -drive "file=$dir/data.qcow2,format=qcow2,if=virtio,cache=unsafe,discard=unmap" \
        -netdev "user,id=n0,hostfwd=tcp:127.0.0.1:$(port_of vm)-:22" -device virtio-net-pci,netdev=n0,romfile= \
        -kernel "$image/vmlinuz" -initrd "$image/initrd.img" -append "$(vm_kernel_line)")
    daemon_start vm "${command[@]}"
    daemon_wait vm 180 vm_boot_id
    vm_settle
    mirror_sources "http://$GUEST_GATEWAY:$(port_of mirror_plain)" "$VM_SUITE" | vm_ssh 'cat >/etc/apt/sources.list'
    say "virtual machine up in $((SECONDS - start)) s (ssh on 127.0.0.1:$(port_of vm))"
}

vm_client_config() {
    cat <<CONF
Host lab-vm lab-vm-root
    HostName 127.0.0.1
    Port $(port_of vm)
Host lab-vm
    User stack
Host lab-vm-root
    User root
CONF
}

# Waits until systemd has started everything.
vm_settle() {
    local state
    state=$(timeout 180 ssh -F "$LAB_DIR/ssh_config" -o BatchMode=yes lab-vm-root systemctl is-system-running --wait) || true
    [[ $state == running ]] || die "the virtual machine's system is \`$state\`: $(vm_ssh systemctl --failed --no-legend)"
}

vm_ssh() {
    local host=lab-vm-root
    if [[ ${1:-} == -u ]]; then
        if [[ $2 != root ]]; then host=lab-vm; fi
        shift 2
    fi
    ssh -F "$LAB_DIR/ssh_config" -o BatchMode=yes "$host" "$@"
}

vm_boot_id() {
    ssh -F "$LAB_DIR/ssh_config" -o BatchMode=yes -o ConnectTimeout=3 lab-vm-root cat /proc/sys/kernel/random/boot_id
}

vm_rebooted() {
    local now
    now=$(vm_boot_id) && [[ $now != "$1" ]]
}

vm_reboot() {
    local before start=$SECONDS
    daemon_pid vm >/dev/null || die "the virtual machine is down"
    before=$(vm_boot_id)
    vm_ssh systemctl reboot || true
    daemon_wait vm 180 vm_rebooted "$before"
    vm_settle
    say "virtual machine is back after $((SECONDS - start)) s"
}

vm_reset() {
    vm_down
    vm_up
}

vm_console() {
    case ${1:-} in
        -f) exec tail -n +1 -f "$LAB_DIR/log/vm-console.log" ;;
        -i) say "leave with Ctrl-]" && exec socat -,raw,echo=0,escape=0x1d "unix-connect:$LAB_DIR/vm/console.sock" ;;
        *) cat "$LAB_DIR/log/vm-console.log" ;;
    esac
}

# The monitor echoes like a terminal; the answer stands between the command's echo and the next prompt.
vm_monitor() {
    printf '%s\n' "$*" | socat -t 1 - "unix-connect:$LAB_DIR/vm/monitor.sock" | tr -d '\r' | sed -e 1,2d -e '/^(qemu) $/d'
}

vm_down() {
    daemon_stop vm 10
    rm -f "$LAB_DIR/ssh_config.d/vm.conf" "$LAB_DIR"/vm/*
    env_remove vm
}

vm_status() {
    local pid
    pid=$(daemon_pid vm) && echo "pid $pid, ssh 127.0.0.1:$(port_of vm)" || echo down
}
