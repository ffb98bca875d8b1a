"""Processes of this host and what descends from them, as proc(5) tells, and how to signal them."""

from __future__ import annotations

import os
import signal
import time
from collections import namedtuple
from collections.abc import Container, Iterable, Iterator, Mapping

from .files import read

_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)  # hidden, the last


class Process(namedtuple("Process", ("pid", "start"))):
    """One process of this boot: a pid alone may belong to a later process."""

    pid: int
    start: int  # clock ticks since boot, field 22 of /proc/PID/stat


class Seen(namedtuple("Seen", ("process", "parent", "state"))):
    """What a process was when it was looked at."""

    process: Process
    parent: int
    state: bytes  # a letter


def look(pid: int) -> Seen | None:
    """The process that has this pid now; None when there is none. Raises OSError where no file can
    be opened at all."""
    try:
        stat = read(f"/proc/{pid}/stat")
    except _GONE:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()  # the command before it may hold anything
    return Seen(Process(pid, int(fields[19])), int(fields[1]), fields[0])


def born(process: Process) -> float:
    """When a process of this host began, in seconds since the epoch."""
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time() - up + process.start / os.sysconf("SC_CLK_TCK")


def descendants(root: int, without: Container[int] = ()) -> list[Process]:
    """Everything below the process ``root``, save the trees of the pids ``without``; parents before
    their children. Raises as ``look``.

    A process or thread that ends while this looks may hide others: nobody is gone for not being
    found once.
    """
    found: list[Process] = []
    todo = [root]
    scanned = None if _LISTS_CHILDREN else _all_by_parent()
    while todo:
        parent = todo.pop()
        for pid in _children(parent) if scanned is None else scanned.get(parent, []):
            seen = look(pid)
            if pid not in without and seen is not None and seen.parent == parent:  # else taken over
                found.append(seen.process)
                todo.append(pid)
    return found


def send(process: Process, signum: int) -> bool:
    """Signal this very process; a later one of the same pid gets nothing. Whether it was there, and
    may be signalled by us."""
    handle = None
    try:
        if hasattr(os, "pidfd_open"):
            handle = _pidfd(process.pid)
        seen = look(process.pid)
        if seen is None or seen.process != process:
            return False
        if handle is None:
            os.kill(process.pid, signum)
        else:
            signal.pidfd_send_signal(handle, signum)
    except (ProcessLookupError, PermissionError):
        return False  # gone, or setuid: nobody here may signal it
    finally:
        if handle is not None:
            os.close(handle)
    return True


def terminate(processes: Iterable[Process]) -> None:
    """Ask each to end; one that is stopped hears of it only when it is continued."""
    for process in processes:
        send(process, signal.SIGTERM)
        send(process, signal.SIGCONT)


def kill(processes: Iterable[Process]) -> None:
    for process in processes:
        send(process, signal.SIGKILL)


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def marked(marks: Mapping[str, str]) -> Iterator[Process]:
    """Processes, other than this one, that began with all of ``marks`` in their environment."""
    wanted = {os.fsencode(f"{name}={value}") for name, value in marks.items()}
    for pid in all_pids():
        try:
            environment = read(f"/proc/{pid}/environ")
        except OSError:
            continue
        if wanted.issubset(environment.split(b"\0")) and pid != os.getpid():
            seen = look(pid)
            if seen is not None:
                yield seen.process


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except _GONE:
        return found
    for thread in threads:
        try:
            found += map(int, read(f"/proc/{pid}/task/{thread}/children").split())
        except _GONE:
            continue  # the thread has ended, and another one has its children
    return found


def _all_by_parent() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for pid in all_pids():
        seen = look(pid)
        if seen is not None:
            found.setdefault(seen.parent, []).append(pid)
    return found


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:
        return None  # a kernel before 5.3


_LISTS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")
