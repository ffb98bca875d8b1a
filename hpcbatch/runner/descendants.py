"""The end of the processes that jobs have started."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from ..disk.process_tree import Process, descendants

PATIENCE = 2.0  # seconds between SIGTERM and SIGKILL


def end_descendants() -> None:
    """End whatever this process has started and is still there."""
    for number, wait in ((signal.SIGTERM, PATIENCE), (signal.SIGKILL, 1.0)):
        give_up = time.monotonic() + wait
        left = signal_below(os.getpid(), number)
        while left and time.monotonic() < give_up:
            time.sleep(0.01)
            _reap()
            left = descendants(os.getpid())
        if not left:
            return


def signal_below(root: int, number: signal.Signals) -> list[Process]:
    """The processes below ``root``, which got the signal."""
    found = descendants(root)
    for one in found:
        with contextlib.suppress(OSError):
            os.kill(one.pid, number)
    return found


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
