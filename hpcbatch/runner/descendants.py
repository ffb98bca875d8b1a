"""The processes that jobs have started."""

from __future__ import annotations

import contextlib
import os
import signal
import time

PATIENCE = 2.0  # seconds between SIGTERM and SIGKILL


def end_descendants() -> None:
    """End whatever this process has started and is still there."""
    for number, wait in ((signal.SIGTERM, PATIENCE), (signal.SIGKILL, 1.0)):
        give_up = time.monotonic() + wait
        left = _signal_all(number)
        while left and time.monotonic() < give_up:
            time.sleep(0.01)
            _reap()
            left = descendants(os.getpid())
        if not left:
            return


def descendants(pid: int) -> list[int]:
    """Pids of children, their children and so on (proc(5), field 4 of stat)."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:
                state, parent = stat.read().rpartition(b")")[2].split()[:2]
                if state != b"Z":
                    parents.setdefault(int(parent), []).append(int(name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def _signal_all(number: signal.Signals) -> list[int]:
    found = descendants(os.getpid())
    for pid in found:
        with contextlib.suppress(OSError):
            os.kill(pid, number)
    return found


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
