#!/bin/bash
# An ordinary user, and an environment that it can reach with this wheel in it:
# user.sh WHEEL [REQUIREMENT...]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

VENV=/opt/hpcbatch-testbed/venv

need_root
[ $# -ge 1 ] || die "usage: user.sh WHEEL [REQUIREMENT...]"
[ -f "$1" ] || die "no such file: $1"
lock user
install_packages python3 python3-venv
ensure_user

pip_install() {
    "$VENV/bin/python" -m pip --quiet --no-input --disable-pip-version-check \
        install --root-user-action=ignore "$@" </dev/null
}
if ! "$VENV/bin/python" -c 'import pip' 2>/dev/null; then
    mkdir -p "${VENV%/*}"
    /usr/bin/python3 -m venv --clear "$VENV"
    pip_install --upgrade pip # Debian's is slow
fi
# The version number may be the same as before: put the wheel there in any case,
# then whatever it and the caller require and is not there yet.
pip_install --force-reinstall --no-deps "$1"
pip_install "$@"
# pip copies the modes of the files in the wheel.
chmod -R a+rX "${VENV%/*}"
as_user "$VENV/bin/python" -c 'import sys; print(sys.prefix)'
