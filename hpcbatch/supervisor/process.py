"""What processes hold, how strays end, and how to be a process that nobody waits for."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Container

from ..disk.files import read
from ..disk.process_tree import Process, descendants, kill

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PAGE = os.sysconf("SC_PAGE_SIZE")


def kill_strays(root: int, without: Container[int]) -> None:
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
    import ctypes  # by the supervisor, before it forks shepherds, and by no command

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")


def _resident(pid: int) -> int:
    try:
        return int(read(f"/proc/{pid}/statm").split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _share(pid: int) -> int:
    """Of a process that has ended meanwhile nothing, of one whose shares are hidden all."""
    try:
        for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return _resident(pid)
    return _resident(pid)
