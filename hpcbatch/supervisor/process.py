"""Processes: who is who, what descends from whom, what it holds, how to signal it."""

from __future__ import annotations

import os
import signal
import time
from collections import namedtuple
from collections.abc import Container, Iterable, Iterator, Mapping

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Process(namedtuple("Process", ("pid", "start"))):
    """One process of this boot: a pid alone may belong to a later process."""

    pid: int
    start: int  # clock ticks since boot, field 22 of /proc/PID/stat


def look(pid: int) -> tuple[Process, int] | None:
    """The process that has this pid now, and its parent's pid; None when there is none."""
    try:
        stat = _read(f"/proc/{pid}/stat")
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


def send(process: Process, signum: int) -> None:
    """Signal this very process; a later one of the same pid gets nothing."""
    handle = None
    try:
        if hasattr(os, "pidfd_open"):
            handle = _pidfd(process.pid)
        seen = look(process.pid)
        if seen is None or seen[0] != process:
            return
        if handle is None:
            os.kill(process.pid, signum)
        else:
            signal.pidfd_send_signal(handle, signum)
    except (ProcessLookupError, PermissionError):
        return  # gone, or setuid: nobody here may signal it
    finally:
        if handle is not None:
            os.close(handle)


def terminate(processes: Iterable[Process]) -> None:
    """Ask each to end; one that is stopped hears of it only when it is continued."""
    for process in processes:
        send(process, signal.SIGTERM)
        send(process, signal.SIGCONT)


def kill(processes: Iterable[Process]) -> None:
    for process in processes:
        send(process, signal.SIGKILL)


def kill_below(root: int, without: Container[int]) -> None:
    """Kill everything below the process ``root``, save the trees of the pids ``without``."""
    give_up = time.monotonic() + 2
    while time.monotonic() < give_up:
        strays = descendants(root, without)
        if not strays:
            return
        kill(strays)
        for stray in strays:
            try:
                os.waitpid(stray.pid, os.WNOHANG)
            except ChildProcessError:
                continue  # still the child of another stray
        time.sleep(0.002)


def memory(processes: list[Process], above: int) -> int:
    """Bytes in use by the processes together, pages that they share counted once.

    Reading shares is dear, and they never exceed the sum of resident sizes: they are read only
    when there are several processes whose sum is ``above``.
    """
    resident = [_resident(process.pid) for process in processes]
    if len(processes) < 2 or sum(resident) <= above:
        return sum(resident)
    return sum(_share(process.pid) for process in processes)


def marked(marks: Mapping[str, str]) -> Iterator[Process]:
    """Processes, other than this one, that began with all of ``marks`` in their environment."""
    wanted = {os.fsencode(f"{name}={value}") for name, value in marks.items()}
    for pid in _pids():
        try:
            environment = _read(f"/proc/{pid}/environ")
        except OSError:
            continue
        if wanted.issubset(environment.split(b"\0")) and pid != os.getpid():
            seen = look(pid)
            if seen is not None:
                yield seen[0]


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends (subreaper)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Be killed when ``parent`` ends; ends here when it has ended already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def close_all_but(*keep: int) -> None:
    """Close every descriptor but 0, 1, 2 and these."""
    for fd in [int(name) for name in os.listdir("/proc/self/fd")]:
        if fd > 2 and fd not in keep:
            try:
                os.close(fd)
            except OSError:
                continue  # the one that the listing itself had open


def _prctl(option: int, value: int) -> None:
    import ctypes  # by the supervisor, before it forks keepers, and by no command

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:
        return None  # a kernel before 5.3


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    except OSError:
        return found  # it ended meanwhile
    return found


def _all_by_parent() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for pid in _pids():
        seen = look(pid)
        if seen is not None:
            found.setdefault(seen[1], []).append(pid)
    return found


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _resident(pid: int) -> int:
    try:
        return int(_read(f"/proc/{pid}/statm").split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _share(pid: int) -> int:
    """Of a process that has ended meanwhile nothing, of one whose shares are hidden all."""
    try:
        for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return _resident(pid)
    return _resident(pid)


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = os.read(fd, 1 << 16)
        while content and (more := os.read(fd, 1 << 16)):
            content += more
        return content
    finally:
        os.close(fd)


_LISTS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")
