# The package mirror: nginx in front of the package mirror that this machine's own apt sources name, with a cache.
# One port speaks TLS and wants a password; the other is plain and open, for the virtual machine's own apt.
# shellcheck shell=bash

# Prints "URI suite component" for each package source of this machine.
apt_sources() {
    # shellcheck disable=SC2016  # the names are apt's
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' | sort -u
}

# Prints "PATH UPSTREAM" for each repository, e.g. /debian and its scheme and host; the first of a path wins.
mirror_roots() {
    apt_sources | sed -nE 's#^(https?://[^/ ]+)(/[^ ]*[^/ ])/? .*#\2 \1#p' | awk '!seen[$1]++'
}

# mirror_sources BASE SUITE: one-line apt sources for SUITE (and its updates) behind BASE.
mirror_sources() {
    apt_sources | awk -v base="$1" -v suite="$2" '
        $2 != suite && index($2, suite "-") != 1 { next }
        { uri = $1; sub(/^https?:\/\/[^\/]+/, base, uri); sub(/\/$/, "", uri)
          key = uri " " $2; if (!(key in parts)) order[++n] = key; parts[key] = parts[key] " " $3 }
        END { for (i = 1; i <= n; i++) print "deb " order[i] parts[order[i]] }'
}

mirror_up() {
    local dir=$LAB_DIR/mirror roots
    roots=$(mirror_roots)
    [[ -n $roots ]] || die "this machine's apt sources name no http or https mirror"
    ! grep -qE '//(127\.|localhost|10\.0\.2\.2)' <<<"$roots" || die "this machine's apt sources name this machine itself"
    ! grep -q '@' <<<"$roots" || die "apt sources with a password in the URI are not supported by the lab"
    make_password "$LAB_DIR/secret/mirror.password"
    if ! daemon_pid mirror >/dev/null; then
        choose_port mirror 18443
        choose_port mirror_plain 18080
        install -d -m 0755 "$dir"
        install -d -m 0700 -o www-data -g www-data "$dir/tmp" "$LAB_CACHE/mirror"
        printf 'mirror-user:%s\n' "$(openssl passwd -6 -stdin <"$LAB_DIR/secret/mirror.password")" |
            install -m 0640 -g www-data /dev/stdin "$dir/htpasswd"
        mirror_config "$dir" "$roots" >"$dir/nginx.conf"
        daemon_start mirror nginx -e "$LAB_DIR/log/mirror-error.log" -c "$dir/nginx.conf"
        daemon_wait mirror 15 curl -sf --cacert "$LAB_DIR/ca/ca.crt" "https://127.0.0.1:$(port_of mirror)/lab-health"
        say "mirror on 127.0.0.1:$(port_of mirror), plain on $(port_of mirror_plain)"
    fi
    env_write mirror \
        MIRROR_URL "https://127.0.0.1:$(port_of mirror)" \
        MIRROR_URL_FROM_VM "https://$GUEST_GATEWAY:$(port_of mirror)" \
        MIRROR_PATHS "$(cut -d' ' -f1 <<<"$roots" | xargs)" \
        MIRROR_USER mirror-user \
        MIRROR_PASSWORD_FILE "$LAB_DIR/secret/mirror.password" \
        MIRROR_LOG "$LAB_DIR/log/mirror-access.log" \
        MIRROR_PLAIN_URL "http://127.0.0.1:$(port_of mirror_plain)" \
        MIRROR_PLAIN_URL_FROM_VM "http://$GUEST_GATEWAY:$(port_of mirror_plain)"
}

# The locations of both servers: index files are asked for again after two minutes, the rest never changes.
# The client's credentials must not go to the outside mirror.
mirror_locations() {
    local path upstream
    while read -r path upstream; do
        cat <<CONF
        location $path/ { include proxy.conf; proxy_cache_valid 200 2m; proxy_pass $upstream; }
        location ~ ^${path//./\\.}/(pool/|dists/.+/by-hash/) { include proxy.conf; proxy_cache_valid 200 90d; proxy_pass $upstream; }
CONF
    done <<<"$1"
}

mirror_config() {
    local dir=$1 locations
    locations=$(mirror_locations "$2")
    cat >"$dir/proxy.conf" <<'CONF'
proxy_http_version 1.1;
proxy_set_header Authorization "";
proxy_set_header Connection "";
proxy_ssl_server_name on;
proxy_ssl_verify on;
proxy_ssl_verify_depth 5;
proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;
proxy_read_timeout 120s;
proxy_cache mirror;
proxy_cache_key $uri;
proxy_cache_lock on;
proxy_cache_revalidate on;
proxy_cache_valid 404 1m;
proxy_cache_use_stale error timeout updating;
proxy_ignore_headers Cache-Control Expires Set-Cookie Vary;
add_header X-Lab-Cache $upstream_cache_status;
CONF
    cat <<CONF
daemon off;
user www-data;
worker_processes 1;
pid $dir/nginx.pid;
events { worker_connections 512; }
http {
    # Whether a request carried credentials is logged; what they were is not.
    map \$http_authorization \$has_credentials { default yes; "" no; }
    log_format lab '\$time_iso8601 port=\$server_port status=\$status user=\$remote_user credentials=\$has_credentials cache=\$upstream_cache_status bytes=\$body_bytes_sent "\$request"';
    access_log $LAB_DIR/log/mirror-access.log lab;
    client_body_temp_path $dir/tmp/body;
    proxy_temp_path $dir/tmp/proxy;
    fastcgi_temp_path $dir/tmp/fastcgi;
    uwsgi_temp_path $dir/tmp/uwsgi;
    scgi_temp_path $dir/tmp/scgi;
    proxy_cache_path $LAB_CACHE/mirror levels=1:2 keys_zone=mirror:16m max_size=4g inactive=90d use_temp_path=off;
    server_tokens off;
    server {
        listen 127.0.0.1:$(port_of mirror) ssl;
        ssl_certificate $LAB_DIR/ca/mirror.crt;
        ssl_certificate_key $LAB_DIR/ca/mirror.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        auth_basic "hostctl lab mirror";
        auth_basic_user_file $dir/htpasswd;
        location = /lab-health { auth_basic off; return 200 "ok\n"; }
        # A redirect to another server: a client must not take its credentials there (the log tells).
        location = /lab-redirect { return 302 http://127.0.0.1:$(port_of mirror_plain)/lab-health; }
        location / { return 404; }
$locations
    }
    server {
        listen 127.0.0.1:$(port_of mirror_plain);
        location = /lab-health { return 200 "ok\n"; }
        location / { return 404; }
$locations
    }
}
CONF
}

mirror_down() {
    daemon_stop mirror 10
    env_remove mirror
}

mirror_status() {
    local pid
    pid=$(daemon_pid mirror) && echo "pid $pid, 127.0.0.1:$(port_of mirror) (plain $(port_of mirror_plain))" || echo down
}
