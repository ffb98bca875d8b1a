#!/bin/bash
# All tests, with real clusters: root on Debian starts what is not up, and stops it afterwards.
# HPCBATCH_TEST_REQUIRE=slurm,sge,user,tools,chromium,sshd makes what is absent a failure, no skip.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
BIN=${BIN:-.venv/bin}
clusters=tests/clusters
FLOOR=90 # of the lines, in %, which all tests together have to reach
started=()
debian=$([ "$(id -u)" = 0 ] && command -v apt-get || true) # as root
wheels=$(mktemp -d)

stop() {
    wait # for what was begun beside the checks
    if [ -n "$debian" ]; then "$clusters/trial.sh" sweep; fi # of tests that were interrupted
    for cluster in "${started[@]}"; do "$clusters/$cluster.sh" stop & done
    wait
    rm -rf "$wheels"
}
make_user() {
    "$BIN/python" -m pip wheel --quiet --no-deps --disable-pip-version-check -w "$wheels" . &&
        "$clusters/user.sh" "$wheels"/hpcbatch-*.whl 'scikit-learn>=1.3' 'hpcbatch[joblib,server]' >/dev/null ||
        echo "tests/run.sh: the ordinary user's environment could not be made" >&2
}
trap stop EXIT
trap 'exit 130' INT TERM

if [ -d /var/lib/gridengine ] || [ -n "$debian" ]; then
    export SGE_ROOT=${SGE_ROOT:-/var/lib/gridengine}
    export PATH=/usr/lib/gridengine:$PATH
fi
make --no-print-directory "$BIN/python" || exit 1
make --no-print-directory "${BIN%/bin}/dev.stamp" &
environment=$!
if [ -n "$debian" ]; then
    make_user & # pip has use for one core
    user=$!
    for cluster in slurm sge; do
        if ! "$clusters/$cluster.sh" status >/dev/null 2>&1; then
            started+=("$cluster")
            "$clusters/$cluster.sh" start || echo "tests/run.sh: $cluster did not start" >&2
        fi
    done
    "$clusters/trial.sh" install || echo "tests/run.sh: no Slurm that tests may break" >&2
    "$clusters/tools.sh" || echo "tests/run.sh: the tools for faults and the browser are not all there" >&2
else
    echo "tests/run.sh: not root on Debian: no cluster is started, their tests use what is there"
fi
wait "$environment" || exit 1

# Thousands of processes load the same modules, which are compiled once: by now, as pytest's own are
# by a collection. None is written later: a test's disk may fail in the middle.
env -u PYTHONDONTWRITEBYTECODE "$BIN/python" -m pytest --collect-only -q >/dev/null 2>&1 &
collection=$!
export PYTHONDONTWRITEBYTECODE=1
"$BIN/python" -m compileall -q hpcbatch tests
make --no-print-directory lint VENV="${BIN%/bin}" & # beside the tests, whose real clusters are waited for
checks=$!
coverage=()
if [ $# = 0 ]; then coverage=(-m slipcover --json --out .coverage.json); fi
wait "$collection" ${user:+"$user"}
rm -f .coverage.json
"$BIN/python" "${coverage[@]}" -m pytest -n 8 -m "${MARKED-not long}" "$@"
tested=$?
reached=0
if [ ${#coverage[@]} -gt 0 ]; then # slipcover's own --fail-under forgets what the workers told
    "$BIN/python" - "$FLOOR" <<'EOF'
import json, sys

reached = json.load(open(".coverage.json"))["summary"]["percent_covered"]
print(f"{reached:.1f} % of the lines were reached, and have to be {sys.argv[1]}")
sys.exit(reached < float(sys.argv[1]))
EOF
    reached=$?
fi
wait "$checks" && exit "$((tested ? tested : reached))"
