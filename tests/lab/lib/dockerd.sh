# The container engine on this machine: started by hand, because without systemd the package's init script fails.
# An engine that already answers is used as it is, and is not stopped by the lab.
# shellcheck shell=bash

readonly DOCKER_SOCKET=/var/run/docker.sock

docker_answers() { curl -sf --max-time 5 --unix-socket "$DOCKER_SOCKET" http://engine/_ping; }

dockerd_up() {
    local data=${HOSTCTL_LAB_DOCKER_DATA:-$LAB_DIR/docker}
    if ! docker_answers >/dev/null; then
        install -d -m 0711 "$data"
        daemon_start dockerd dockerd --host "unix://$DOCKER_SOCKET" --data-root "$data" --exec-root "$LAB_DIR/run/docker" \
            --pidfile "$LAB_DIR/run/dockerd.own.pid" --storage-driver "${HOSTCTL_LAB_DOCKER_DRIVER:-overlay2}"
        daemon_wait dockerd 60 docker_answers
        say "dockerd on $DOCKER_SOCKET"
    elif ! daemon_pid dockerd >/dev/null; then
        say "an engine answers on $DOCKER_SOCKET already; it is used as it is"
    fi
    env_write dockerd DOCKER_SOCKET "$DOCKER_SOCKET"
}

dockerd_down() {
    local mount
    daemon_stop dockerd 40
    # The engine leaves the mount of its network namespace behind.
    while read -r mount; do umount "$mount"; done < <(awk '{print $5}' /proc/self/mountinfo | grep -F "$LAB_DIR/run/docker/")
    env_remove dockerd
}

dockerd_status() {
    local pid
    if pid=$(daemon_pid dockerd); then
        echo "pid $pid, $DOCKER_SOCKET"
    elif docker_answers >/dev/null; then
        echo "not the lab's, but one answers on $DOCKER_SOCKET"
    else
        echo down
    fi
}
