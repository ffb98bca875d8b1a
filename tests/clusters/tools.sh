#!/bin/bash
# Installs what the tests of faults need: programs that make calls fail, clocks go wrong, disks lag;
# and the browser of those of the dashboard.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_root
install_packages strace fiu-utils faketime sshfs fuse3 openssh-server openssh-client gcc libc6-dev
install_packages chromium fonts-liberation
