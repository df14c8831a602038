# The image registry: Debian's docker-registry with TLS by the lab's CA and one user with a hard password.
# shellcheck shell=bash

registry_up() {
    local dir=$LAB_DIR/registry password=$LAB_DIR/secret/registry.password
    make_password "$password"
    if ! daemon_pid registry >/dev/null; then
        choose_port registry 15000
        install -d -m 0700 "$dir" "$dir/data"
        # htpasswd -i takes the line without its newline.
        htpasswd -iBn registry-user <"$password" | install -m 0600 /dev/stdin "$dir/htpasswd"
        registry_config "$dir" | install -m 0600 /dev/stdin "$dir/config.yml"
        daemon_start registry docker-registry serve "$dir/config.yml"
        daemon_wait registry 15 registry_answers
        say "registry on 127.0.0.1:$(port_of registry)"
    fi
    env_write registry \
        REGISTRY "127.0.0.1:$(port_of registry)" \
        REGISTRY_FROM_VM "$GUEST_GATEWAY:$(port_of registry)" \
        REGISTRY_USER registry-user \
        REGISTRY_PASSWORD_FILE "$password" \
        REGISTRY_LOG "$LAB_DIR/log/registry.log"
}

registry_answers() {
    curl_as registry-user "$LAB_DIR/secret/registry.password" --fail --cacert "$LAB_DIR/ca/ca.crt" \
        "https://127.0.0.1:$(port_of registry)/v2/"
}

registry_config() {
    cat <<CONF
version: 0.1
log: {level: info, formatter: text}
storage:
  filesystem: {rootdirectory: $1/data}
  delete: {enabled: true}
http:
  addr: 127.0.0.1:$(port_of registry)
  secret: $(openssl rand -hex 16)
  tls: {certificate: $LAB_DIR/ca/registry.crt, key: $LAB_DIR/ca/registry.key}
auth:
  htpasswd: {realm: hostctl-lab, path: $1/htpasswd}
CONF
}

registry_down() {
    daemon_stop registry 10
    env_remove registry
}

registry_status() {
    local pid
    pid=$(daemon_pid registry) && echo "pid $pid, 127.0.0.1:$(port_of registry)" || echo down
}
