# The lab's own certificate authority, and one server certificate for each TLS server of the lab.
# shellcheck shell=bash

readonly CA_NAMES="IP:127.0.0.1,DNS:localhost,IP:$GUEST_GATEWAY,DNS:mirror.lab,DNS:registry.lab"

ca_up() {
    local dir=$LAB_DIR/ca server
    install -d -m 0755 "$dir"
    if ! openssl x509 -checkend 86400 -noout -in "$dir/ca.crt" >/dev/null 2>&1; then
        rm -f "$dir"/*
        ca_key "$dir/ca.key"
        openssl req -x509 -new -key "$dir/ca.key" -out "$dir/ca.crt" -days 3650 -subj "/CN=hostctl test lab $RANDOM" \
            -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
        for server in mirror registry; do ca_sign "$server"; done
        say "ca made"
    fi
    env_write ca CA_FILE "$dir/ca.crt"
}

ca_key() { (umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out "$1"); }

ca_sign() {
    local dir=$LAB_DIR/ca name=$1
    ca_key "$dir/$name.key"
    openssl req -new -key "$dir/$name.key" -subj "/CN=$name.lab" |
        openssl x509 -req -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 825 -out "$dir/$name.crt" \
            -extfile <(printf '%s\n' "subjectAltName=$CA_NAMES" basicConstraints=critical,CA:FALSE \
                keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth) 2>/dev/null
}

ca_down() { env_remove ca; }

ca_status() { [[ -e $LAB_DIR/ca/ca.crt ]] && echo "$LAB_DIR/ca/ca.crt" || echo none; }
