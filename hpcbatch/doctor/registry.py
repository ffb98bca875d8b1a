"""The registry's folder: whose it is, what disk it lies on, and what is left there."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..disk.mounts import is_local_disk, locks_reach_other_hosts
from ..registry.root import safe_root
from ..words.errors import HpcbatchError
from ..words.finding import Finding, fine, note, wrong
from ..words.text import size_text

FEW_BYTES = 1 << 30
FEW_FILES = 10_000


def check_registry(root: str | None) -> Iterator[Finding]:
    try:
        folder = safe_root(root)
    except HpcbatchError as error:
        yield wrong("registry", str(error))
        return
    there = _there(folder)
    if not os.access(there, os.W_OK):
        yield wrong("registry", f"{there} cannot be written to", "choose another by HPCBATCH_ROOT")
        return
    yield fine("registry", folder if there == folder else f"{folder}, which the first task makes")
    yield from _room(there)
    if is_local_disk(there):
        told = "on a disk of this host: nodes on other hosts do not see it, unless it is exported"
        yield note("disk", told, "set HPCBATCH_ROOT to a folder that nodes see as well")
    elif locks_reach_other_hosts(there):
        yield fine("disk", "a network's, whose locks reach other hosts as far as its mount tells")
    else:
        told = "a network's, whose locks do not reach other hosts"
        yield note("disk", told, "look at a task from the host that submitted it last")


def _there(folder: str) -> str:
    """The innermost folder of its path that is there."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def _room(folder: str) -> Iterator[Finding]:
    """Quotas are not in it: no program tells them alike everywhere."""
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    told = f"{size_text(free)} free"
    if found.f_files:
        told += f", {found.f_favail:,} more files"
    few = found.f_files > 0 and found.f_favail < FEW_FILES
    if free < FEW_BYTES or few:
        yield wrong("room", told, "hpcbatch remove what is no longer needed, or use another disk")
    else:
        yield fine("room", f"{told} (a quota of yours may be smaller)")
