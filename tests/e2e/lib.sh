# Helpers of all end-to-end scripts: the program under test, copies of the project, checks and their count.
# It knows no tier.
# shellcheck shell=bash

E2E_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(cd "$E2E_SRC/../.." && pwd)
LAB=$REPO/tests/lab/lab
HOSTCTL=${HOSTCTL_BIN:-$REPO/target/e2e/hostctl}
TIER=${0##*/}
passed=0 failed=0
readonly E2E_SRC REPO LAB HOSTCTL TIER

say() { printf '%s: %s\n' "$TIER" "$*" >&2; }
die() {
    printf '%s: error: %s\n' "$TIER" "$*" >&2
    exit 1
}

[[ -x $HOSTCTL ]] || die "no program at $HOSTCTL; tests/run builds it"

# Everything a test writes; kept with E2E_KEEP=1.
WORK=$(mktemp -d "${TMPDIR:-/var/tmp}/hostctl-e2e.XXXXXX")
readonly WORK
cleaners=()
clean_up() {
    local status=$? i
    for ((i = ${#cleaners[@]} - 1; i >= 0; i--)); do ${cleaners[i]} || true; done
    if [[ ${E2E_KEEP:-} == 1 ]]; then say "kept: $WORK"; else rm -rf --one-file-system "$WORK"; fi
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# at_end COMMAND: run before the script ends, last one first.
at_end() { cleaners+=("$*"); }

# --- checks --------------------------------------------------------------------------------------------------------

pass() {
    passed=$((passed + 1))
    echo "ok      $1"
}

fail() {
    failed=$((failed + 1))
    echo "FAILED  $1"
    shift
    [[ $# -eq 0 ]] || printf '%s\n' "$@" | sed 's/^/        /'
}

# is NAME WANTED COMMAND...: compares what COMMAND prints.
is() {
    local name=$1 wanted=$2 got
    shift 2
    got=$("$@" 2>&1 </dev/null) || true
    if [[ $got == "$wanted" ]]; then pass "$name"; else fail "$name" "wanted: $wanted" "got:    $got"; fi
}

# ok NAME COMMAND...: COMMAND succeeds.
ok() {
    local name=$1 got
    shift
    if got=$("$@" 2>&1 </dev/null); then pass "$name"; else fail "$name" "status $? of: $*" "$(tail -n 25 <<<"$got")"; fi
}

# not NAME COMMAND...: COMMAND fails.
not() {
    local name=$1 got
    shift
    if got=$("$@" 2>&1 </dev/null); then fail "$name" "succeeded: $*" "$(tail -n 5 <<<"$got")"; else pass "$name"; fi
}

# says NAME FILE TEXT...: FILE holds each TEXT.
says() {
    local name=$1 file=$2 text
    shift 2
    for text in "$@"; do
        if ! grep -qF -- "$text" "$file"; then
            fail "$name" "not said: $text" "$(tail -n 25 "$file")"
            return
        fi
    done
    pass "$name"
}

finish() {
    echo "$TIER: $passed passed, $failed failed"
    ((failed == 0)) || exit 1
    exit 0
}

# --- projects and runs ---------------------------------------------------------------------------------------------

# project DIR: a copy of what is shipped, as a user would have it.
project() {
    install -d "$1"
    cp -r "$REPO/playbooks" "$REPO/roles" "$REPO/environments" "$REPO/inventory" "$1/"
    rm -f "$1"/environments/*/image-tags.yml
}

# run NAME DIR ARGUMENT...: hostctl in DIR; output in $WORK/NAME.log, status in RUN_STATUS. Output is shown when CI waits.
run() {
    local name=$1 dir=$2 start=$SECONDS
    shift 2
    RUN_STATUS=0
    RUN_LOG=$WORK/$name.log
    (cd "$dir" && exec "$HOSTCTL" "$@") >"$RUN_LOG" 2>&1 </dev/null || RUN_STATUS=$?
    say "$name: hostctl ${*:1:2} ended with $RUN_STATUS after $((SECONDS - start)) s"
}

# ends NAME WANTED: the status of the last `run`.
ends() {
    if [[ $RUN_STATUS == "$2" ]]; then
        pass "$1"
    else
        fail "$1" "wanted exit code $2, got $RUN_STATUS" "$(tail -n 40 "$RUN_LOG")"
    fi
}

# recap HOST FIELD: the number in the recap line of the last `run`.
recap() { sed -nE "s/^$1 +: .*\b$2=([0-9]+).*/\1/p" "$RUN_LOG" | tail -n 1; }

# The lab's values, as HOSTCTL_LAB_... variables.
lab_env() {
    # shellcheck source=/dev/null
    source <("$LAB" env)
}

http_status() { curl -s -o /dev/null -w '%{http_code}' --max-time 60 "$@"; }
