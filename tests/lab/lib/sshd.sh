# A real sshd on loopback with its own host keys, three users of its own, and a client configuration to reach them.
# The users' home folders lie in the lab's folder; users and sudo rules go away with `lab down sshd`.
# shellcheck shell=bash

readonly SSHD_USERS=(labuser labpw labnosudo)
readonly SSHD_SUDOERS=/etc/sudoers.d/hostctl-lab

# One client key for everything; it lies in the cache because the virtual machine's image holds its public half.
ssh_client_key() {
    local dir=$LAB_CACHE/ssh
    if [[ ! -s $dir/id_ed25519 ]]; then
        install -d -m 0700 "$dir"
        ssh-keygen -q -t ed25519 -N '' -C hostctl-lab -f "$dir/id_ed25519"
    fi
    echo "$dir/id_ed25519"
}

# The configuration tests pass to `ssh -F`: defaults here, hosts in ssh_config.d.
ssh_config_base() {
    install -d -m 0755 "$LAB_DIR/ssh_config.d"
    cat >"$LAB_DIR/ssh_config" <<CONF
Include $LAB_DIR/ssh_config.d/*.conf
Host *
    IdentityFile $(ssh_client_key)
    IdentitiesOnly yes
    UserKnownHostsFile $LAB_DIR/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    ConnectTimeout 10
CONF
}

# known_host PORT KEY_FILE: replaces what known_hosts says of that port.
known_host() {
    touch "$LAB_DIR/known_hosts"
    { grep -vF "[127.0.0.1]:$1 " "$LAB_DIR/known_hosts" || true; } >"$LAB_DIR/known_hosts.new"
    printf '[127.0.0.1]:%s %s\n' "$1" "$(cut -d' ' -f1,2 "$2")" >>"$LAB_DIR/known_hosts.new"
    mv "$LAB_DIR/known_hosts.new" "$LAB_DIR/known_hosts"
}

sshd_users() {
    local user home
    install -d -m 0755 "$LAB_DIR/home"
    for user in "${SSHD_USERS[@]}"; do
        home=$LAB_DIR/home/$user
        if ! id "$user" >/dev/null 2>&1; then
            # `*` is no password but, unlike `!`, not a locked account.
            useradd --create-home --home-dir "$home" --shell /bin/bash --password '*' "$user"
        fi
        [[ $(getent passwd "$user" | cut -d: -f6) == "$home" ]] ||
            die "user $user exists and is not of this lab (home is not $home)"
        install -d -m 0700 -o "$user" -g "$user" "$home/.ssh"
        [[ $user == labpw ]] ||
            install -m 0600 -o "$user" -g "$user" "$(ssh_client_key).pub" "$home/.ssh/authorized_keys"
    done
    make_password "$LAB_DIR/secret/labpw.password"
    printf 'labpw:%s\n' "$(cat "$LAB_DIR/secret/labpw.password")" | chpasswd
    cat <<'CONF' | install -m 0440 /dev/stdin "$SSHD_SUDOERS.new"
labuser ALL=(ALL:ALL) NOPASSWD: ALL
labpw ALL=(ALL:ALL) ALL
# Asked every time, so that a test does not depend on the one before it.
Defaults:labpw timestamp_timeout=0
CONF
    visudo -cqf "$SSHD_SUDOERS.new" || die "sudo refuses $SSHD_SUDOERS.new"
    mv "$SSHD_SUDOERS.new" "$SSHD_SUDOERS"
}

sshd_config() {
    cat <<CONF
ListenAddress 127.0.0.1:$(port_of sshd)
HostKey $1/host_ed25519
HostKey $1/host_ecdsa
PidFile none
AllowUsers ${SSHD_USERS[*]}
PermitRootLogin no
PasswordAuthentication yes
KbdInteractiveAuthentication no
UsePAM yes
PrintMotd no
MaxStartups 100
Subsystem sftp internal-sftp
LogLevel VERBOSE
CONF
}

# The hosts of ssh_config. lab-unknown: a host whose key nobody knows; lab-changed: one whose key is another than the
# known one; lab-down: nothing listens.
sshd_client_config() {
    local port
    port=$(port_of sshd)
    cat <<CONF
Host lab-user lab-jump lab-unknown lab-changed
    User labuser
Host lab-pw
    User labpw
    PubkeyAuthentication no
    PreferredAuthentications password
Host lab-nosudo
    User labnosudo
Host lab-jump
    ProxyJump lab-user
Host lab-unknown
    UserKnownHostsFile /dev/null
Host lab-changed
    UserKnownHostsFile $LAB_DIR/known_hosts.changed
Host lab-down
    HostName 127.0.0.1
    Port 9
Host lab-user lab-pw lab-nosudo lab-jump lab-unknown lab-changed
    HostName 127.0.0.1
    Port $port
CONF
}

sshd_up() {
    local dir=$LAB_DIR/sshd type
    if ! daemon_pid sshd >/dev/null; then
        choose_port sshd 12222
        install -d -m 0700 "$dir"
        for type in ed25519 ecdsa; do
            [[ -s $dir/host_$type ]] || ssh-keygen -q -t "$type" -N '' -C '' -f "$dir/host_$type"
        done
        sshd_config "$dir" >"$dir/sshd_config"
        sshd_users
        ssh_config_base
        sshd_client_config >"$LAB_DIR/ssh_config.d/sshd.conf"
        known_host "$(port_of sshd)" "$dir/host_ed25519.pub"
        printf '[127.0.0.1]:%s %s\n' "$(port_of sshd)" "$(cut -d' ' -f1,2 "$(ssh_client_key).pub")" >"$LAB_DIR/known_hosts.changed"
        install -d -m 0755 /run/sshd
        daemon_start sshd /usr/sbin/sshd -D -e -f "$dir/sshd_config"
        daemon_wait sshd 15 ssh -F "$LAB_DIR/ssh_config" -o BatchMode=yes lab-user true
        say "sshd on 127.0.0.1:$(port_of sshd)"
    fi
    env_write sshd \
        SSH_CONFIG "$LAB_DIR/ssh_config" \
        SSH_KEY "$(ssh_client_key)" \
        SSH_KNOWN_HOSTS "$LAB_DIR/known_hosts" \
        SSHD_PORT "$(port_of sshd)" \
        SSHD_FINGERPRINT "$(ssh-keygen -lf "$dir/host_ed25519.pub" | cut -d' ' -f2)" \
        SSHD_LOG "$LAB_DIR/log/sshd.log" \
        SSHD_PASSWORD_USER labpw \
        SSHD_PASSWORD_FILE "$LAB_DIR/secret/labpw.password"
}

sshd_down() {
    local user
    daemon_stop sshd 10
    rm -f "$SSHD_SUDOERS" "$LAB_DIR/ssh_config.d/sshd.conf"
    for user in "${SSHD_USERS[@]}"; do
        if [[ $(getent passwd "$user" | cut -d: -f6) == "$LAB_DIR/home/$user" ]]; then
            userdel --force --remove "$user" 2>/dev/null || say "user $user could not be removed"
        fi
    done
    env_remove sshd
}

sshd_status() {
    local pid
    pid=$(daemon_pid sshd) && echo "pid $pid, 127.0.0.1:$(port_of sshd)" || echo down
}
