#!/bin/bash
# A Slurm of its own that a test may break:
# trial.sh install|start [OWNER]|controller FOLDER|stop FOLDER|sweep
#
# Two nodes, memory limits by cgroups where the kernel lets us, accounting by slurmdbd, and
# requeued jobs that run again after some seconds. ``start`` prints its folder, which has
# slurm.conf and the pid files; ``controller`` starts a killed slurmctld again. Up to ten are there at once; one whose OWNER (a pid, the caller by
# default) has ended is stopped by ``sweep``, and by the next ``start``. munged is the one that slurm.sh started.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

TRIALS=$RUN/trials
CGROUPS=/sys/fs/cgroup

install() {
    install_packages slurmctld slurmd slurm-client munge mariadb-server slurmdbd
}

use_slot() {
    SLOT=$1
    BASE=$TRIALS/$SLOT
    CONF=$BASE/slurm.conf
    PORT=$((17100 + 10 * SLOT))
    NODES=("a$SLOT" "b$SLOT") # no two of one name on a host: their control groups are named so
    CTL_LOG=$BASE/log/slurmctld.log
}

# A pid alone is used again: OWNER has the start time too.
owner_lives() {
    local pid start
    { read -r pid start <"$BASE/owner"; } 2>/dev/null && [ "$(start_time "$pid")" = "$start" ]
}

has_cgroups() { [ -w "$CGROUPS/memory/tasks" ] && [ -w "$CGROUPS/cpuset/tasks" ]; }

configure() {
    rm -rf "$BASE"
    mkdir -p "$BASE"/{log,run,state,spool,db}
    mkdir "${NODES[@]/#/$BASE/spool/}"
    chown -R slurm: "$BASE"/{log,run,state}
    {
        grep -vE '^(NodeName|PartitionName|ClusterName|AccountingStorage|TaskPlugin|KillWait)' \
            "$HERE/slurm.conf.in" | sed "
            s/@HOST@/$HOST/; s/@ADDRESS@/$ADDRESS/
            s#=/run/slurm/#=$BASE/run/#
            s#=/var/log/slurm/#=$BASE/log/#
            s#=/var/spool/slurmd/#=$BASE/spool/#
            s#=/var/lib/slurm/slurmctld#=$BASE/state#"
        cat <<END
ClusterName=trial$SLOT
SlurmctldPort=$PORT
# A requeued job waits until its credential has expired.
AuthInfo=cred_expire=5
KillWait=2
OverTimeLimit=0
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=$HOST
AccountingStoragePort=$((PORT + 1))
JobAcctGatherFrequency=1
NodeName=${NODES[0]} NodeHostname=$HOST NodeAddr=$ADDRESS Port=$((PORT + 2)) CPUs=16 RealMemory=16000 State=UNKNOWN
NodeName=${NODES[1]} NodeHostname=$HOST NodeAddr=$ADDRESS Port=$((PORT + 3)) CPUs=16 RealMemory=16000 State=UNKNOWN
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=01:00:00 DefMemPerCPU=100 State=UP OverSubscribe=NO PreemptMode=OFF
PartitionName=canceled Nodes=ALL MaxTime=INFINITE DefMemPerCPU=100 State=UP PreemptMode=CANCEL
PartitionName=requeued Nodes=ALL MaxTime=INFINITE DefMemPerCPU=100 State=UP PreemptMode=REQUEUE
PartitionName=urgent Nodes=ALL MaxTime=INFINITE DefMemPerCPU=100 State=UP PriorityTier=9
END
        if has_cgroups; then
            echo TaskPlugin=task/cgroup
        else
            printf '%s\n' TaskPlugin=task/none JobAcctGatherParams=OverMemoryKill
        fi
    } >"$CONF"
    cat >"$BASE/cgroup.conf" <<END
CgroupPlugin=cgroup/v1
CgroupMountpoint=$CGROUPS
ConstrainRAMSpace=yes
ConstrainSwapSpace=yes
AllowedSwapSpace=0
END
    cat >"$BASE/slurmdbd.conf" <<END
AuthType=auth/munge
DbdHost=$HOST
DbdAddr=$ADDRESS
DbdPort=$((PORT + 1))
SlurmUser=slurm
LogFile=$BASE/log/slurmdbd.log
PidFile=$BASE/run/slurmdbd.pid
CommunicationParameters=NoInAddrAny
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm
END
    chown slurm: "$BASE/slurmdbd.conf"
    chmod 600 "$BASE/slurmdbd.conf"
}

start_database() {
    local options=(--no-defaults --user=root --datadir="$BASE/db" --innodb-log-file-size=8M)
    mariadb-install-db "${options[@]}" --auth-root-authentication-method=normal --skip-test-db \
        >"$BASE/log/db" 2>&1 || die_with_log "$BASE/log/db" "no database could be made"
    start_daemon "trial$SLOT-mariadbd" "$BASE/run/mariadbd.pid" "$BASE/log/mariadbd" \
        sh -c '"$@" &' sh mariadbd "${options[@]}" --pid-file="$BASE/run/mariadbd.pid" \
        --skip-networking --skip-grant-tables --socket="$BASE/db.socket" \
        --log-error="$BASE/log/mariadbd" --innodb-flush-log-at-trx-commit=0
    wait_for 30 "$BASE/log/mariadbd" "mariadbd answers" \
        mariadb-admin --no-defaults --socket="$BASE/db.socket" ping
}

start_accounting() {
    start_database
    start_daemon "trial$SLOT-slurmdbd" "$BASE/run/slurmdbd.pid" "$BASE/log/slurmdbd.log" \
        SLURM_CONF="$CONF" MYSQL_UNIX_PORT="$BASE/db.socket" slurmdbd
    wait_for 60 "$BASE/log/slurmdbd.log" "slurmdbd answers" \
        slurm sacctmgr -i add cluster "trial$SLOT"
}

start_controller() {
    start_daemon "trial$SLOT-slurmctld" "$BASE/run/slurmctld.pid" "$CTL_LOG" slurmctld -f "$CONF"
}

slurm() { SLURM_CONF=$CONF timeout 10 "$@"; }

answers() {
    [ "$(slurm sinfo -h -N -p debug -o %T 2>/dev/null)" = $'idle\nidle' ]
}

start() {
    local owner=${1:-$PPID} slot node
    install
    mkdir -p "$TRIALS"
    for slot in {0..9}; do
        use_slot "$slot"
        owner_lives || break
    done
    if owner_lives; then die "ten of them are in use: $TRIALS"; fi
    stop_slot
    loopback_host
    configure
    printf '%s %s\n' "$owner" "$(start_time "$owner")" >"$BASE/owner"
    start_accounting
    start_controller
    for node in "${NODES[@]}"; do
        start_daemon "trial$SLOT-slurmd-$node" "$BASE/run/slurmd-$node.pid" \
            "$BASE/log/slurmd-$node.log" slurmd -f "$CONF" -N "$node"
    done
    wait_for 60 "$CTL_LOG" "all nodes are up" answers
    printf '%s\n' "$BASE"
}

leftovers() {
    processes_with "^SLURM_CLUSTER_NAME=trial$SLOT\$"
    processes_in "$BASE/log" slurmstepd
    processes_in "$BASE/spool"
}

stop_slot() {
    local name
    for name in "${NODES[@]/#/slurmd-}" slurmctld slurmdbd mariadbd; do
        stop_daemon "trial$SLOT-$name"
    done
    end_leftovers leftovers
    find "$CGROUPS" -depth -type d -path "$CGROUPS/*/slurm_[ab]$SLOT*" -exec rmdir {} + \
        2>/dev/null || true
    rm -rf "$BASE"
}

sweep() {
    local base
    for base in "$TRIALS"/[0-9]; do
        if [ -d "$base" ]; then
            use_slot "${base##*/}"
            owner_lives || stop_slot
        fi
    done
}

use_folder() {
    case $1 in "$TRIALS"/[0-9]) use_slot "${1##*/}" ;; *) die "no folder of a trial: '$1'" ;; esac
}

need_root
case ${1:-} in
    install) install ;;
    start)
        lock trial
        start "${2:-}"
        ;;
    controller)
        use_folder "${2:-}"
        loopback_host
        start_controller
        ;;
    stop)
        lock trial
        use_folder "${2:-}"
        stop_slot
        ;;
    sweep)
        lock trial
        sweep
        ;;
    *) die "usage: trial.sh install|start [OWNER]|controller FOLDER|stop FOLDER|sweep" ;;
esac
