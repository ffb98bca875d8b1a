#!/bin/bash
# A Grid Engine cell of one host: sge.sh install|start|stop|status
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export SGE_ROOT=/var/lib/gridengine SGE_CELL=default
# The programs themselves: the wrappers in /usr/bin cost 0.2 s a call.
BIN=/usr/lib/gridengine
PATH=$BIN:$PATH
SPOOL=/var/spool/gridengine
COMMON=$SGE_ROOT/$SGE_CELL/common
PIDS=/run/gridengine
SHIM=/usr/local/lib/hpcbatch-testbed/bind_loopback.so
USER_ENV=(SGE_ROOT="$SGE_ROOT" SGE_CELL="$SGE_CELL")
MASTER_LOG=$SPOOL/qmaster/messages

install() {
    local package
    if ! have_packages gridengine-master gridengine-exec gridengine-client gridengine-drmaa1.0; then
        # Some of these packages ask questions.
        install_packages debconf
        for package in common client master exec; do
            printf "gridengine-$package %s\n" "shared/gridenginemaster string $(hostname)" \
                "shared/gridenginecell string default" "shared/gridengineconfig boolean true"
        done | debconf-set-selections
    fi
    # netbase has the names of the ports.
    install_packages gridengine-master gridengine-exec gridengine-client gridengine-drmaa1.0 \
        netbase gcc libc6-dev
    if [ ! "$SHIM" -nt "$HERE/bind_loopback.c" ]; then
        mkdir -p "${SHIM%/*}"
        cc -O2 -Wall -shared -fPIC -o "$SHIM" "$HERE/bind_loopback.c" -ldl
    fi
}

# A new, empty cell, when there is none or it belongs to a host of another name.
make_cell() {
    local new= names
    [ -s "$COMMON/bootstrap" ] && [ -e "$SPOOL/spooldb/sge" ] &&
        [ "$(cat "$COMMON/act_qmaster" 2>/dev/null)" = "$HOST" ] || new=yes
    mkdir -p "$COMMON" "$SPOOL/qmaster/job_scripts" "$SPOOL/execd" "$SPOOL/spooldb" "$PIDS"
    if [ -n "$new" ] || [ "${1:-}" = new ]; then
        say "making a new cell"
        rm -rf "$SPOOL"/spooldb/* "$SPOOL"/qmaster/* "$SPOOL"/execd/*
        mkdir -p "$SPOOL/qmaster/job_scripts"
        cat >"$COMMON/bootstrap" <<END
Version: 6.2
admin_user              sgeadmin
default_domain          none
ignore_fqdn             false
spooling_method         berkeleydb
spooling_lib            libspoolb
spooling_params         $SPOOL/spooldb
binary_path             /usr/sbin
qmaster_spool_dir       $SPOOL/qmaster
security_mode           none
listener_threads        2
worker_threads          2
scheduler_threads       1
END
        echo "$HOST" >"$COMMON/act_qmaster"
        chown -R sgeadmin: "$SGE_ROOT/$SGE_CELL" "$SPOOL/qmaster" "$SPOOL/execd" "$SPOOL/spooldb"
        as_sgeadmin /usr/share/gridengine/scripts/init_cluster "$SGE_ROOT" "$SGE_CELL" \
            "$SPOOL/spooldb" sgeadmin >"$LOGS/init_cluster" 2>&1 ||
            die_with_log "$LOGS/init_cluster" "no cell could be made"
    fi
    # The host must have one name: 127.0.0.1 often reverses to localhost, and some
    # hosts have a long name first.
    names=$(getent hosts 127.0.0.1 "$ADDRESS" | awk '{ $1 = ""; print }' | tr -s ' ' '\n' |
        grep -vxF -e "$HOST" -e localhost | sort -u | tr '\n' ' ') || true
    echo "$HOST localhost $names" >"$COMMON/host_aliases"
    chown -R sgeadmin: "$SGE_ROOT/$SGE_CELL" "$PIDS"
}

as_sgeadmin() {
    setpriv --reuid=sgeadmin --regid=sgeadmin --clear-groups timeout 20 "$@"
}

# set_values FILE < "name value" lines: replaces or appends them.
set_values() {
    awk 'NR == FNR { if (NF) { name = $1; $1 = ""; new[name] = substr($0, 2) } next }
        $1 in new { print $1, new[$1]; delete new[$1]; next }
        { print }
        END { for (name in new) print name, new[name] }' - "$1" >"$1.new"
    mv "$1.new" "$1"
}

# Runs in a subshell.
configure_cell() {
    local option dir=
    # Lines that are too long are folded, unless:
    export SGE_SINGLE_LINE=1
    dir=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$dir'" EXIT
    as_sgeadmin qconf -am root >/dev/null || true
    qconf -ah "$HOST" >/dev/null 2>&1 || true
    qconf -as "$HOST" >/dev/null || true

    qconf -sconf global >"$dir/global"
    # Debian's wrapper around the shepherd costs four times the throughput. A rescheduled job waits
    # for the host's next report, which tells that the first run has ended.
    set_values "$dir/global" <<END
min_uid 0
min_gid 0
mailer /bin/true
administrator_mail none
max_aj_tasks 1000000
max_aj_instances 2000
shepherd_cmd $BIN/sge_shepherd
load_report_time 00:00:05
reporting_params accounting=true reporting=false flush_time=00:00:01 accounting_flush_time=00:00:00 joblog=false sharelog=00:00:00
END
    qconf -Mconf "$dir/global"

    qconf -ssconf >"$dir/scheduler"
    set_values "$dir/scheduler" <<END
schedule_interval 0:0:1
flush_submit_sec 1
flush_finish_sec 1
job_load_adjustments NONE
END
    qconf -Msconf "$dir/scheduler"

    # As on many sites, h_vmem is counted, per slot, out of what the host has. Hazard: jobs
    # that do not ask get the default, as a limit; 0 would kill them at once.
    qconf -sc | awk '$1 == "h_vmem" { $6 = "YES"; $7 = "4G" } { print }' >"$dir/complexes"
    qconf -Mc "$dir/complexes"

    option=-Ae
    if qconf -sel | grep -qxF "$HOST"; then option=-Me; fi
    cat >"$dir/host" <<END
hostname $HOST
load_scaling NONE
complex_values h_vmem=512G
user_lists NONE
xuser_lists NONE
projects NONE
xprojects NONE
usage_scaling NONE
report_variables NONE
END
    qconf "$option" "$dir/host"

    option=-Ahgrp
    if qconf -shgrpl | grep -qx @allhosts; then option=-Mhgrp; fi
    printf 'group_name @allhosts\nhostlist %s\n' "$HOST" >"$dir/group"
    qconf "$option" "$dir/group"

    option=-Ap
    if qconf -spl | grep -qx smp; then option=-Mp; fi
    cat >"$dir/pe" <<END
pe_name smp
slots 9999
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule \$pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
END
    qconf "$option" "$dir/pe"

    option=-Aq
    if qconf -sql | grep -qx all.q; then option=-Mq; fi
    qconf -sq >"$dir/queue"
    set_values "$dir/queue" <<END
qname all.q
hostlist @allhosts
load_thresholds NONE
slots 64
shell /bin/bash
shell_start_mode unix_behavior
pe_list smp
END
    qconf "$option" "$dir/queue"
}

master_answers() { timeout 10 qconf -sh; }

# The execution host has reported its load: the fourth field is not '-'.
answers() {
    local line
    line=$(timeout 10 qhost 2>/dev/null | awk -v host="$(hostname)" '$1 == host { print $7 }') || return 1
    [ -n "$line" ] && [ "$line" != - ]
}

status() {
    if ! answers; then
        say "Grid Engine does not answer"
        return 1
    fi
    timeout 10 qhost -q
}

no_job() { ! timeout 10 qstat -j "$1"; }

job_runs() {
    local dir id
    dir=$(as_user mktemp -d "/home/$TESTBED_USER/start.XXXXXX")
    id=$(as_user timeout 40 qsub -terse -S /bin/bash -N start -j y -o "$dir/out" <<<'echo started') ||
        die_with_log "$MASTER_LOG" "a job cannot be submitted"
    wait_for 60 "$MASTER_LOG" "job $id runs" grep -qx started "$dir/out"
    wait_for 30 "$MASTER_LOG" "job $id ends" no_job "$id"
    rm -rf "$dir"
}

# The folder has the name that the host's address reverses to.
execd_log() { find "$SPOOL/execd" -name messages -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2; }

start_master() {
    start_daemon sge_qmaster "$PIDS/qmaster.pid" "$MASTER_LOG" SGE_ROOT="$SGE_ROOT" \
        SGE_CELL="$SGE_CELL" SGE_QMASTER_PIDFILE="$PIDS/qmaster.pid" LD_PRELOAD="$SHIM" \
        BIND_LOOPBACK="$ADDRESS" "$BIN/sge_qmaster"
    wait_for "$1" "$MASTER_LOG" "sge_qmaster answers" master_answers
}

start() {
    local result
    install
    if recorded sge_qmaster && recorded sge_execd && answers; then return; fi >/dev/null
    loopback_host
    ensure_user
    make_cell
    # A spool that a killed master left behind may be beyond repair.
    if ! (start_master 20); then
        stop_daemon sge_qmaster
        make_cell new
        start_master 30
    fi
    # Hazard: in "configure_cell || die" errors inside the function would not count.
    set +e
    (set -e && configure_cell) >"$LOGS/qconf" 2>&1
    result=$?
    set -e
    [ "$result" = 0 ] || die_with_log "$LOGS/qconf" "the cell could not be configured"
    start_daemon sge_execd "$PIDS/execd.pid" "$(execd_log)" SGE_ROOT="$SGE_ROOT" \
        SGE_CELL="$SGE_CELL" SGE_EXECD_PIDFILE="$PIDS/execd.pid" LD_PRELOAD="$SHIM" \
        BIND_LOOPBACK="$ADDRESS" "$BIN/sge_execd"
    wait_for 60 "$(execd_log)" "the host reports" answers
    if [ -e "$RUN/sge.cancel" ]; then
        cancel_jobs
        rm -f "$RUN/sge.cancel"
    fi
    job_runs
}

no_jobs() { [ -z "$(timeout 10 qstat -u '*')" ]; }

cancel_jobs() {
    local end=$((SECONDS + 10))
    timeout 10 qdel -u '*' >/dev/null 2>&1 || true
    until no_jobs || [ "$SECONDS" -ge "$end" ]; do sleep 0.2; done
    no_jobs || timeout 10 qdel -f -u '*' >/dev/null 2>&1 || true
}

leftovers() {
    processes_with "^SGE_JOB_SPOOL_DIR=$SPOOL/execd/"
    processes_in "$SPOOL/execd" sge_shepherd
}

stop() {
    # A dead controller still has its jobs on disk: the next start cancels them.
    if recorded sge_qmaster >/dev/null && answers; then cancel_jobs; else touch "$RUN/sge.cancel"; fi
    stop_daemon sge_execd
    end_leftovers leftovers
    stop_daemon sge_qmaster
}

need_root
case ${1:-} in
    install | start | stop)
        lock sge
        "$1"
        ;;
    status) status || exit 1 ;;
    *) die "usage: sge.sh install|start|stop|status" ;;
esac
