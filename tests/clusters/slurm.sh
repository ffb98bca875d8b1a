#!/bin/bash
# A Slurm cluster of two nodes on this host: slurm.sh install|start|stop|status
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

NODES=(n1 n2)
CONF=/etc/slurm/slurm.conf
CTL_LOG=/var/log/slurm/slurmctld.log

install() {
    install_packages slurmctld slurmd slurm-client munge
}

configure() {
    local new node
    if [ -e "$CONF" ] && ! grep -q 'hpcbatch test bed' "$CONF"; then
        die "$CONF belongs to another cluster: not touched"
    fi
    loopback_host
    ensure_user
    mkdir -p /etc/slurm /run/munge /var/log/munge /var/lib/munge /run/slurm /var/log/slurm \
        /var/lib/slurm/slurmctld
    chown munge: /run/munge /var/log/munge /var/lib/munge
    chmod 755 /run/munge
    chown slurm: /run/slurm /var/log/slurm /var/lib/slurm/slurmctld
    for node in "${NODES[@]}"; do mkdir -p "/var/spool/slurmd/$node"; done
    if [ ! -s /etc/munge/munge.key ]; then
        (umask 077 && head -c 1024 /dev/urandom >/etc/munge/munge.key)
        chown munge: /etc/munge/munge.key
    fi
    new=$(sed "s/@HOST@/$HOST/; s/@ADDRESS@/$ADDRESS/" "$HERE/slurm.conf.in")
    if [ "$(cat "$CONF" 2>/dev/null)" != "$new" ]; then printf '%s\n' "$new" >"$CONF"; fi
}

munge_works() { timeout 5 munge -n </dev/null | timeout 5 unmunge; }

all_recorded() {
    local node
    recorded slurmctld >/dev/null || return 1
    for node in "${NODES[@]}"; do recorded "slurmd-$node" >/dev/null || return 1; done
}

# Every node answers and is up. A state ends in '*' when the node does not respond.
answers() {
    local states
    states=$(timeout 10 sinfo -h -N -o %T 2>/dev/null) || return 1
    [ "$(grep -cxE 'idle|mixed|allocated|completing' <<<"$states")" = "${#NODES[@]}" ]
}

status() {
    if ! answers; then
        say "Slurm does not answer"
        return 1
    fi
    timeout 10 sinfo -N
}

no_job() { [ -z "$(timeout 10 squeue -h -j "$1")" ]; }

job_runs() {
    local dir id
    dir=$(as_user mktemp -d "/home/$TESTBED_USER/start.XXXXXX")
    id=$(as_user timeout 40 sbatch --parsable -J start -o "$dir/out" --wrap 'echo started') ||
        die_with_log "$CTL_LOG" "a job cannot be submitted"
    wait_for 60 "$CTL_LOG" "job $id runs" grep -qx started "$dir/out"
    wait_for 30 "$CTL_LOG" "job $id ends" no_job "$id"
    rm -rf "$dir"
}

start() {
    local node
    install
    if all_recorded && answers; then return; fi
    configure
    # A munged of the system, if there is one, is used and left alone.
    if ! munge_works >/dev/null 2>&1; then
        rm -f /run/munge/munge.socket.2*
        start_daemon munged /run/munge/munged.pid /var/log/munge/munged.log \
            setpriv --reuid=munge --regid=munge --clear-groups munged
        wait_for 15 /var/log/munge/munged.log "munged answers" munge_works
    fi
    start_daemon slurmctld /run/slurm/slurmctld.pid "$CTL_LOG" slurmctld
    for node in "${NODES[@]}"; do
        start_daemon "slurmd-$node" "/run/slurm/slurmd-$node.pid" "/var/log/slurm/slurmd-$node.log" \
            slurmd -N "$node"
    done
    wait_for 60 "$CTL_LOG" "all nodes are up" answers
    if [ -e "$RUN/slurm.cancel" ]; then
        cancel_jobs
        rm -f "$RUN/slurm.cancel"
    fi
    job_runs
}

no_jobs() { [ -z "$(timeout 10 squeue -h -a)" ]; }

cancel_jobs() {
    local user end
    for user in $(timeout 10 squeue -h -a -o %u | sort -u); do
        timeout 10 scancel --user="$user" || true
    done
    end=$((SECONDS + 10))
    until no_jobs || [ "$SECONDS" -ge "$end" ]; do sleep 0.2; done
}

leftovers() {
    processes_with '^SLURM_CLUSTER_NAME=testbed$'
    # slurmstepd works where slurmd has its log.
    processes_in /var/log/slurm slurmstepd
    processes_in /var/spool/slurmd
}

stop() {
    local node
    # A dead controller still has its jobs on disk: the next start cancels them.
    if recorded slurmctld >/dev/null && answers; then cancel_jobs; else touch "$RUN/slurm.cancel"; fi
    for node in "${NODES[@]}"; do stop_daemon "slurmd-$node"; done
    stop_daemon slurmctld
    end_leftovers leftovers
    stop_daemon munged
}

need_root
case ${1:-} in
    install | start | stop)
        lock slurm
        "$1"
        ;;
    status) status || exit 1 ;;
    *) die "usage: slurm.sh install|start|stop|status" ;;
esac
