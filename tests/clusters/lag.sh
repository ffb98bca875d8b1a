#!/bin/bash
# A Slurm node that sees the shared disk late, and without locks that cross:
# lag.sh start|stop|status|node COMMAND...
#
# One folder is mounted twice by sshfs with long caches: for the client, and, in a mount namespace
# of its own and under the same path, for slurmd. What one side writes, the other sees up to
# LAG seconds later, and twice that where the kernel remembers what sshfs remembered.
# ``node`` runs a command where slurmd runs.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

LAG=${LAG:-30}
BASE=$RUN/lag
SHARED=$BASE/shared # the path on both sides
CONF=$BASE/slurm.conf
SSH_PORT=17022 CTL_PORT=17010 NODE_PORT=17011
CTL_LOG=$BASE/log/slurmctld.log NODE_LOG=$BASE/log/slurmd-l1.log

install() {
    install_packages slurmctld slurmd slurm-client munge openssh-server openssh-client sshfs
    [ -e /dev/fuse ] || mknod -m 600 /dev/fuse c 10 229
}

configure() {
    loopback_host
    rm -rf "$BASE"
    mkdir -p "$BASE"/{disk,shared,ssh,log,run,state,spool/l1,munge} /run/sshd
    chown slurm: "$BASE/state" "$BASE/log" "$BASE/run"
    chown munge: "$BASE/munge"
    head -c 1024 /dev/urandom >"$BASE/munge/key"
    chown munge: "$BASE/munge/key"
    chmod 600 "$BASE/munge/key"
    {
        grep -vE '^(NodeName|PartitionName|AuthType|ClusterName)' "$HERE/slurm.conf.in" | sed "
            s/@HOST@/$HOST/; s/@ADDRESS@/$ADDRESS/
            s#=/run/slurm/#=$BASE/run/#
            s#=/var/log/slurm/#=$BASE/log/#
            s#=/var/spool/slurmd/#=$BASE/spool/#
            s#=/var/lib/slurm/slurmctld#=$BASE/state#"
        cat <<END
ClusterName=lag
AuthType=auth/munge
AuthInfo=socket=$BASE/munge/socket
SlurmctldPort=$CTL_PORT
NodeName=l1 NodeHostname=$HOST NodeAddr=$ADDRESS Port=$NODE_PORT CPUs=16 RealMemory=16000 State=UNKNOWN
PartitionName=debug Nodes=l1 Default=YES MaxTime=INFINITE DefaultTime=01:00:00 DefMemPerCPU=100 State=UP OverSubscribe=NO
END
    } >"$CONF"
}

start_sshd() {
    ssh-keygen -q -t ed25519 -N '' -f "$BASE/ssh/host"
    ssh-keygen -q -t ed25519 -N '' -f "$BASE/ssh/key"
    cp "$BASE/ssh/key.pub" "$BASE/ssh/authorized"
    printf '[127.0.0.1]:%s %s\n' "$SSH_PORT" "$(cat "$BASE/ssh/host.pub")" >"$BASE/ssh/known"
    cat >"$BASE/ssh/sshd.conf" <<END
ListenAddress 127.0.0.1
Port $SSH_PORT
HostKey $BASE/ssh/host
PidFile $BASE/ssh/sshd.pid
AuthorizedKeysFile $BASE/ssh/authorized
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
Subsystem sftp internal-sftp
END
    start_daemon lag-sshd "$BASE/ssh/sshd.pid" "$BASE/log/sshd" \
        /usr/sbin/sshd -f "$BASE/ssh/sshd.conf" -E "$BASE/log/sshd"
}

# What mounts, as one line for sh: it ends when the folder is there, and its pid is in PIDFILE.
mount_line() {
    local caches="cache=yes,dcache_timeout=$LAG,attr_timeout=$LAG,entry_timeout=$LAG,negative_timeout=$LAG"
    local ssh="port=$SSH_PORT,IdentityFile=$BASE/ssh/key,UserKnownHostsFile=$BASE/ssh/known,BatchMode=yes"
    cat <<END
setsid sshfs -f -o allow_other,default_permissions,$caches,$ssh \
    root@127.0.0.1:$BASE/disk $SHARED >>$BASE/log/sshfs 2>&1 &
pid=\$!
until mountpoint -q $SHARED; do kill -0 \$pid || exit 1; sleep 0.05; done
echo \$pid >$1
END
}

start() {
    install
    if answers; then return; fi
    stop
    configure
    start_sshd
    start_daemon lag-node "$BASE/node.pid" "$BASE/log/sshfs" \
        unshare -m --propagation private sh -c "$(mount_line "$BASE/node.pid")"
    start_daemon lag-client "$BASE/client.pid" "$BASE/log/sshfs" \
        sh -c "$(mount_line "$BASE/client.pid")"
    start_daemon lag-munged "$BASE/munge/pid" "$BASE/munge/log" \
        setpriv --reuid=munge --regid=munge --clear-groups munged --socket="$BASE/munge/socket" \
        --key-file="$BASE/munge/key" --pid-file="$BASE/munge/pid" --log-file="$BASE/munge/log" \
        --seed-file="$BASE/munge/seed"
    start_daemon lag-slurmctld "$BASE/run/slurmctld.pid" "$CTL_LOG" slurmctld -f "$CONF"
    start_daemon lag-slurmd "$BASE/run/slurmd-l1.pid" "$NODE_LOG" \
        nsenter -m -t "$(recorded lag-node)" slurmd -f "$CONF" -N l1
    wait_for 60 "$CTL_LOG" "the node is up" answers
}

answers() {
    recorded lag-client >/dev/null && recorded lag-node >/dev/null || return 1
    [ "$(SLURM_CONF=$CONF timeout 10 sinfo -h -N -o %T 2>/dev/null)" = idle ]
}

leftovers() {
    processes_with '^SLURM_CLUSTER_NAME=lag$'
    processes_in "$BASE/log" slurmstepd
    processes_in "$BASE/spool"
}

stop() {
    local name
    for name in slurmd slurmctld munged; do stop_daemon "lag-$name"; done
    end_leftovers leftovers
    stop_daemon lag-node
    umount -l "$SHARED" 2>/dev/null || true
    stop_daemon lag-client
    stop_daemon lag-sshd
    rm -rf "$BASE"
}

need_root
case ${1:-} in
    start | stop)
        lock lag
        "$1"
        ;;
    status) answers || die "the node that sees the disk late does not answer" ;;
    node)
        shift
        exec nsenter -m -t "$(recorded lag-node)" "$@"
        ;;
    *) die "usage: lag.sh start|stop|status|node COMMAND..." ;;
esac
