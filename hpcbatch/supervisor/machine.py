"""This machine since it came up: processes and slots mean nothing beyond it."""

from __future__ import annotations

import os

from ..disk.boot_id import boot_id


def host() -> str:
    return os.uname().nodename


def boot() -> str:
    """The first 8 digits of the boot id."""
    return boot_id()[:8]


def usable_cores() -> int:
    return len(os.sched_getaffinity(0))


def memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
