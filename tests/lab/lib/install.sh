# The Debian packages of each component, and their installation. Nothing is started: the lab runs its own daemons.
# shellcheck shell=bash

packages_of() {
    case $1 in
        ca) echo openssl ;;
        mirror) echo nginx-light openssl curl ca-certificates ;;
        registry) echo docker-registry apache2-utils openssl curl ;;
        dockerd) echo docker.io iptables curl ;;
        sshd) echo openssh-server openssh-client sudo openssl ;;
        vm) echo qemu-system-x86 qemu-utils mmdebstrap e2fsprogs socat openssh-client busybox-static ;;
    esac
}

# Prints those packages of the components that are not installed.
missing_packages() {
    local c p
    for c in "$@"; do
        for p in $(packages_of "$c"); do
            [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null) == ii* ]] || echo "$p"
        done
    done | sort -u
}

require_packages() {
    local missing
    missing=$(missing_packages "$@" | xargs)
    [[ -z $missing ]] || die "packages are missing: $missing; install them with: $LAB_SRC/lab install $*"
}

install_packages() {
    local missing options=(-y --no-install-recommends) policy=/usr/sbin/policy-rc.d wanted
    [[ $# -gt 0 ]] || set -- "${COMPONENTS[@]}"
    mapfile -t missing < <(missing_packages "$@")
    if [[ ${#missing[@]} -eq 0 ]]; then
        say "nothing to install"
        return
    fi
    say "installing ${missing[*]}"
    apt-get update -qq
    # Some machines carry a qemu-utils from backports, which breaks the release's qemu-system; take the release's.
    wanted=$(apt-cache policy qemu-system-common | awk '$1 == "Candidate:" {print $2}')
    if [[ " ${missing[*]} " == *" qemu-system-x86 "* ]] &&
        dpkg --compare-versions "$(dpkg-query -W -f '${Version}' qemu-utils 2>/dev/null || echo 0)" gt "$wanted"; then
        say "qemu-utils is newer than this release's qemu-system: going back to $wanted"
        missing+=("qemu-utils=$wanted")
        options+=(--allow-downgrades)
    fi
    # Packages start their services; a policy file stops them, unless this machine has one.
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 0755 "$policy"
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -qq "${options[@]}" "${missing[@]}" >&2
}
