#!/bin/bash
# Records docs/images/terminal.svg: a task that is mended and resubmitted, typed in a real terminal
# on this machine. usage: docs/recording.sh BIN TERMTOSVG, the folder of hpcbatch and the program
# that records; make recording installs both.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=$(realpath "$1")
recorder=$(realpath -s "$2")
image=$PWD/docs/images/terminal.svg
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/study.py" <<'PYTHON'
import time

def simulate(x, y):
    time.sleep(0.2)
    return round(y / (x - 7), 3)
PYTHON

cat >"$work/session" <<'BASH'
enter() {
    printf '\e[1;34m$\e[0m '
    for ((k = 0; k < ${#1}; k++)); do printf '%s' "${1:k:1}"; sleep 0.03; done
    sleep 0.4; echo
    eval "$1" || true
    sleep "${2:-1.5}"
}
enter 'cat study.py'
enter 'hpcbatch map study.py:simulate --arg x=range:0:40 --const y=3 -c local --wait' 2.5
enter 'hpcbatch errors last' 3
enter "sed -i 's/x - 7/x + 7/' study.py"
enter 'hpcbatch resubmit last --function study.py:simulate --wait' 2.5
enter 'hpcbatch collect last | head -4' 4
BASH

cd "$work"
export PATH=$bin:$PATH HPCBATCH_ROOT=$work/registry HPCBATCH_CONFIG=$work/none HPCBATCH_LOCAL_SLOTS=4
unset NO_COLOR
touch "$HPCBATCH_CONFIG"
script -qec "$recorder '$image' -g 96x30 -M 2500 -t window_frame -c 'bash session'" /dev/null
