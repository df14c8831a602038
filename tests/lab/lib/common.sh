# Helpers of all components: folders, messages, ports, daemons, waits, and the environment that tests read.
# It knows no component.
# shellcheck shell=bash

LAB_DIR=${HOSTCTL_LAB_DIR:-/var/tmp/hostctl-lab}
LAB_CACHE=${HOSTCTL_LAB_CACHE:-/var/cache/hostctl-lab}
# How a guest with qemu's user networking sees this machine's loopback.
# shellcheck disable=SC2034  # used by the components
readonly GUEST_GATEWAY=10.0.2.2

say() { printf 'lab: %s\n' "$*" >&2; }
die() {
    printf 'lab: error: %s\n' "$*" >&2
    exit 1
}

# One starting or stopping lab at a time; daemons do not inherit the lock (see daemon_start).
take_lock() {
    install -d -m 0755 "$LAB_DIR" "$LAB_DIR"/{env.d,log,port,run} "$LAB_CACHE"
    install -d -m 0700 "$LAB_DIR/secret"
    exec 9>"$LAB_DIR/run/lock"
    flock -w 1200 9 || die "another lab command holds $LAB_DIR/run/lock"
}

# --- ports ---------------------------------------------------------------------------------------------------------

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# choose_port NAME FIRST: the port of HOSTCTL_LAB_NAME_PORT, else the one of last time, else the first free from FIRST.
choose_port() {
    local name=$1 first=$2 variable=HOSTCTL_LAB_${1^^}_PORT file=$LAB_DIR/port/$1 port
    variable=${variable//-/_}
    if [[ -n ${!variable:-} ]]; then
        port=${!variable}
        ! port_taken "$port" || die "port $port of $variable is in use"
    else
        port=$(cat "$file" 2>/dev/null || echo "$first")
        while port_taken "$port"; do
            port=$((port + 1))
            ((port < first + 500)) || die "no free port from $first on for $name"
        done
    fi
    echo "$port" >"$file"
}

port_of() { cat "$LAB_DIR/port/$1"; }

# --- daemons -------------------------------------------------------------------------------------------------------

# What stays the same for a process until it ends, and differs from any later process with its number.
process_identity() {
    local line fields
    line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # Field 22 is the start time; the name in field 2 may hold spaces, so cut behind its bracket.
    read -ra fields <<<"${line##*) }"
    [[ ${fields[0]} != Z ]] || return 1
    echo "${fields[19]} $(cat /proc/sys/kernel/random/boot_id)"
}

# daemon_start NAME COMMAND...: in a session of its own, output to log/NAME.log, identity in run/NAME.pid.
daemon_start() {
    local name=$1 log=$LAB_DIR/log/$1.log pid
    shift
    setsid nohup "$@" >"$log" 2>&1 </dev/null 9>&- &
    pid=$!
    echo "$pid $(process_identity "$pid" || true)" >"$LAB_DIR/run/$name.pid"
}

# Prints the pid if the recorded process still runs.
daemon_pid() {
    local pid identity
    read -r pid identity 2>/dev/null <"$LAB_DIR/run/$1.pid" || return 1
    [[ -n $identity && $(process_identity "$pid") == "$identity" ]] || return 1
    echo "$pid"
}

# daemon_wait NAME SECONDS COMMAND...: until COMMAND succeeds; fails early if the daemon ends.
daemon_wait() {
    local name=$1 seconds=$2 log=$LAB_DIR/log/$1.log end
    shift 2
    end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        daemon_pid "$name" >/dev/null || die "$name ended while starting; the end of $log:"$'\n'"$(tail -n 15 "$log")"
        ((SECONDS < end)) || die "$name is not ready after $seconds s; the end of $log:"$'\n'"$(tail -n 15 "$log")"
        sleep 0.2
    done
}

# daemon_stop NAME SECONDS: asks it to end, then makes it.
daemon_stop() {
    local name=$1 seconds=$2 pid end
    if pid=$(daemon_pid "$name"); then
        kill -TERM "$pid" 2>/dev/null || true
        end=$((SECONDS + seconds))
        while daemon_pid "$name" >/dev/null; do
            if ((SECONDS >= end)); then
                say "$name ($pid) did not end in $seconds s: killed"
                kill -KILL "$pid" 2>/dev/null || true
                sleep 0.5
                break
            fi
            sleep 0.1
        done
        say "$name stopped"
    fi
    rm -f "$LAB_DIR/run/$name.pid"
}

# --- what tests read -----------------------------------------------------------------------------------------------

# env_write COMPONENT NAME VALUE [NAME VALUE]...: HOSTCTL_LAB_NAME='VALUE' lines, there while the component is up.
env_write() {
    local component=$1 file=$LAB_DIR/env.d/$1.sh
    shift
    : >"$file.new"
    while [[ $# -gt 0 ]]; do
        [[ $2 != *"'"* ]] || die "HOSTCTL_LAB_$1 holds a quote"
        printf "export HOSTCTL_LAB_%s='%s'\n" "$1" "$2" >>"$file.new"
        shift 2
    done
    printf "export HOSTCTL_LAB_HAS_%s='1'\n" "${component^^}" >>"$file.new"
    mv "$file.new" "$file"
}

env_remove() { rm -f "$LAB_DIR/env.d/$1.sh"; }

env_print() {
    printf "export HOSTCTL_LAB_DIR='%s'\nexport HOSTCTL_LAB_CACHE='%s'\n" "$LAB_DIR" "$LAB_CACHE"
    cat "$LAB_DIR"/env.d/*.sh 2>/dev/null || true
}

# --- secrets -------------------------------------------------------------------------------------------------------

# A password that is hard on every encoder on its way: all of the shell's, YAML's, JSON's, URLs' and HTTP's special
# characters, in random order, between letters so that nobody trims it. `???` and `~~~` put `/` and `+` into its
# base64 form at every alignment. It holds no braces: a vaulted value is template text.
make_password() {
    local file=$1 symbols
    [[ ! -s $file ]] || return 0
    # shellcheck disable=SC1003
    symbols=$(printf '%s\n' '???' '~~~' '>' '/' '+' ':' '@' '%' '"' "'" '&' '=' '#' '$' '!' '*' ';' ',' '|' '<' '\' '`' '^' '(' ')' '[' ']' ' ' |
        shuf --random-source=/dev/urandom | tr -d '\n')
    (umask 077 && printf 'a%s%s%sz\n' "$(openssl rand -hex 5)" "$symbols" "$(openssl rand -hex 5)" >"$file")
}

# curl_as USER PASSWORD_FILE ARGUMENT...: curl with credentials that no process list shows.
curl_as() {
    local user=$1 password
    password=$(cat "$2")
    shift 2
    password=${password//\\/\\\\}
    curl --silent --show-error --max-time 60 --config <(printf 'user = "%s:%s"\n' "$user" "${password//\"/\\\"}") "$@"
}
