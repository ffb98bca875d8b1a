"""Processes of this host and what descends from them, as proc(5) tells."""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import Container

from .files import read


class Process(namedtuple("Process", ("pid", "start"))):
    """One process of this boot: a pid alone may belong to a later process."""

    pid: int
    start: int  # clock ticks since boot, field 22 of /proc/PID/stat


def look(pid: int) -> tuple[Process, int] | None:
    """The process that has this pid now, and its parent's pid; None when there is none."""
    try:
        stat = read(f"/proc/{pid}/stat")
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()  # the command before it may hold anything
    return Process(pid, int(fields[19])), int(fields[1])


def descendants(root: int, without: Container[int] = ()) -> list[Process]:
    """Everything below the process ``root``, save the trees of the pids ``without``.

    One that exits while this looks may hide a sibling: repeat until nothing is left.
    """
    found: list[Process] = []
    todo = [root]
    scanned = None if _LISTS_CHILDREN else _all_by_parent()
    while todo:
        parent = todo.pop()
        for pid in _children(parent) if scanned is None else scanned.get(parent, []):
            seen = look(pid)
            if pid not in without and seen is not None and seen[1] == parent:  # else taken over
                found.append(seen[0])
                todo.append(pid)
    return found


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, read(f"/proc/{pid}/task/{thread}/children").split())
    except OSError:
        return found  # it ended meanwhile
    return found


def _all_by_parent() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for pid in all_pids():
        seen = look(pid)
        if seen is not None:
            found.setdefault(seen[1], []).append(pid)
    return found


_LISTS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")
