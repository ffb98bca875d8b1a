# shellcheck shell=bash
# Functions shared by slurm.sh, sge.sh and user.sh. Sourced, not run.

umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
# The venvs and tools of the caller must not leak into the clusters.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

TESTBED_USER=hpctest
RUN=/run/hpcbatch-testbed
LOGS=/var/log/hpcbatch-testbed
LISTED=$RUN/packages.listed
APT=(apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold)
# shellcheck disable=SC2034
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# die_with_log LOGFILE MESSAGE
die_with_log() {
    local file=$1
    shift
    say "$*"
    if [ -s "$file" ]; then
        say "the end of $file:"
        tail -n 25 "$file" >&2
    else
        say "$file is absent or empty"
    fi
    exit 1
}

set -o errtrace
trap 'say "line $LINENO failed: $BASH_COMMAND"' ERR

need_root() { [ "$(id -u)" = 0 ] || die "must be run as root"; }

# lock NAME: one script at a time. Hazard: everything started from here on
# inherits descriptor 9, so daemons must be started with 9>&-.
lock() {
    mkdir -p "$RUN" "$LOGS"
    exec 9>"$RUN/$1.lock"
    flock -w 300 9 || die "another run has held $RUN/$1.lock for 300 s"
}

# wait_for SECONDS LOGFILE WHAT COMMAND...
wait_for() {
    local seconds=$1 file=$2 what=$3 end
    shift 3
    end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || die_with_log "$file" "gave up after $seconds s: $what"
        sleep 0.1
    done
}

have_packages() {
    local state
    state=$(dpkg-query -W -f '${db:Status-Abbrev}\n' "$@" 2>/dev/null) || return 1
    ! grep -qv '^ii' <<<"$state"
}

# install_packages NAME...: installs without starting any service.
install_packages() (
    have_packages "$@" && return
    mkdir -p "$RUN"
    exec 8>"$RUN/packages.lock"
    flock -w 600 8 || die "another installation has run for 600 s"
    have_packages "$@" && return
    log=$(mktemp)
    policy=/usr/sbin/policy-rc.d
    trap 'rm -f "$log"; [ -z "${made:-}" ] || rm -f "$policy"' EXIT
    if [ ! -e "$policy" ]; then
        made=yes
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    say "installing $*"
    {
        update_lists && timeout 900 "${APT[@]}" install --no-install-recommends "$@"
    } </dev/null >"$log" 2>&1 8>&- 9>&- || {
        rm -f "$LISTED"
        die_with_log "$log" "packages could not be installed: $*"
    }
)

# update_lists: of what packages there are, which hold for ten minutes: one script calls the next.
update_lists() {
    [ -n "$(find "$LISTED" -mmin -10 2>/dev/null)" ] && return
    timeout 300 "${APT[@]}" update && touch "$LISTED"
}

# The first IPv4 address of this host's name, also where there is no network.
host_address() { getent --no-addrconfig ahostsv4 "$HOST" | awk 'NR == 1 { print $1 }'; }

# Both schedulers want the host's name to mean this host's loopback.
# The line goes first, because the first match counts. Hazard: in containers
# /etc/hosts is a mount, which can be written but not replaced.
loopback_host() {
    HOST=$(hostname)
    local rest
    ADDRESS=$(host_address) || true
    if [[ $ADDRESS != 127.* ]]; then
        rest=$(cat /etc/hosts)
        printf '127.0.0.1 %s\n%s\n' "$HOST" "$rest" >/etc/hosts
        say "added '127.0.0.1 $HOST' to /etc/hosts"
        ADDRESS=$(host_address) || true
    fi
    [[ $ADDRESS == 127.* ]] || die "$HOST resolves to '$ADDRESS', not to 127.x"
}

ensure_user() (
    exec 7>"$RUN/account.lock"
    flock -w 60 7 || die "another run has made the user for 60 s"
    if ! id "$TESTBED_USER" >/dev/null 2>&1; then
        useradd --create-home --home-dir "/home/$TESTBED_USER" --shell /bin/bash "$TESTBED_USER"
        # A new account is locked, and sshd refuses the keys of locked accounts.
        usermod -p '*' "$TESTBED_USER"
    fi
    mkdir -p "/home/$TESTBED_USER"
    chown "$TESTBED_USER:" "/home/$TESTBED_USER"
)

# as_user COMMAND...: in the user's home, with a clean environment plus USER_ENV.
as_user() {
    (
        cd "/home/$TESTBED_USER" || exit
        exec setpriv --reuid="$TESTBED_USER" --regid="$TESTBED_USER" --init-groups \
            env -i HOME="/home/$TESTBED_USER" USER="$TESTBED_USER" LOGNAME="$TESTBED_USER" \
            SHELL=/bin/bash PATH="$PATH" LANG=C.UTF-8 ${USER_ENV[@]+"${USER_ENV[@]}"} "$@"
    ) 9>&-
}

# --- processes -------------------------------------------------------------
# A daemon is recorded as "pid start-time command" in $RUN/NAME.pid. All three
# must still match before a signal is sent: pids are used again.

# start_time PID: prints the start time; fails when the process is gone or a zombie.
start_time() {
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    [ "$1" != Z ] && [ "$1" != X ] && printf '%s\n' "${20}"
}

# recorded NAME: prints the pid of a recorded daemon that still lives.
recorded() {
    local pid start comm
    { read -r pid start comm <"$RUN/$1.pid"; } 2>/dev/null || return 1
    [ "$(start_time "$pid")" = "$start" ] || return 1
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$comm" ] || return 1
    printf '%s\n' "$pid"
}

pid_file_alive() {
    local pid
    { read -r pid <"$1"; } 2>/dev/null && start_time "$pid" >/dev/null
}

# start_daemon NAME PIDFILE LOGFILE COMMAND...: COMMAND turns itself into a daemon
# and writes PIDFILE. Its environment is what COMMAND sets: jobs may inherit it.
start_daemon() {
    local name=$1 pid_file=$2 file=$3 pid
    shift 3
    if recorded "$name" >/dev/null; then return; fi
    rm -f "$pid_file"
    (cd / && exec timeout 60 setsid -w env -i PATH="$PATH" LANG=C.UTF-8 "$@") </dev/null \
        >>"$LOGS/$name.start" 2>&1 9>&- || {
        tail -n 5 "$LOGS/$name.start" >&2
        die_with_log "$file" "$name did not start"
    }
    wait_for 30 "$file" "$name writes $pid_file" pid_file_alive "$pid_file"
    read -r pid <"$pid_file"
    printf '%s %s %s\n' "$pid" "$(start_time "$pid")" "$(cat "/proc/$pid/comm")" >"$RUN/$name.pid"
}

# gone PID:START...
gone() {
    local p
    for p; do
        [ "$(start_time "${p%:*}")" != "${p#*:}" ] || return 1
    done
}

# end_processes SECONDS PID...: TERM, and KILL after SECONDS.
end_processes() {
    local seconds=$1 pid start signal end
    local -a all=()
    shift
    for pid; do
        start=$(start_time "$pid") && all+=("$pid:$start")
    done
    [ "${#all[@]}" -gt 0 ] || return 0
    for signal in TERM KILL; do
        for pid in "${all[@]}"; do
            gone "$pid" || kill -s "$signal" "${pid%:*}" 2>/dev/null || true
        done
        end=$((SECONDS + seconds))
        until gone "${all[@]}"; do
            [ "$SECONDS" -lt "$end" ] || continue 2
            sleep 0.1
        done
        return 0
    done
    die "processes that survive SIGKILL: ${all[*]%:*}"
}

# stop_daemon NAME
stop_daemon() {
    local pid
    if pid=$(recorded "$1"); then end_processes 10 "$pid"; fi
    rm -f "$RUN/$1.pid"
}

# processes_with PATTERN: the pids of processes whose environment has a matching variable.
processes_with() {
    local dir
    for dir in /proc/[0-9]*; do
        if grep -qzE -- "$1" "$dir/environ" 2>/dev/null; then printf '%s\n' "${dir#/proc/}"; fi
    done
}

# processes_in FOLDER [COMMAND]: the pids of processes that work in or under FOLDER.
processes_in() {
    local dir
    for dir in /proc/[0-9]*; do
        case $(readlink "$dir/cwd" 2>/dev/null || true)/ in
            "$1"/*)
                if [ -z "${2:-}" ] || [ "$(cat "$dir/comm" 2>/dev/null)" = "$2" ]; then
                    printf '%s\n' "${dir#/proc/}"
                fi
                ;;
        esac
    done
}

# end_leftovers COMMAND: ends the processes that COMMAND lists; jobs may fork meanwhile.
end_leftovers() {
    local pids
    for _ in 1 2 3; do
        pids=$("$1")
        [ -n "$pids" ] || return 0
        # shellcheck disable=SC2086
        end_processes 2 $pids
    done
}
