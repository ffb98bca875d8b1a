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
    for one in descendants(os.getpid()):
        _signal(one, signal.SIGTERM)
    if _are_left(PATIENCE):
        kill_below(os.getpid())
        _are_left(1.0)


def kill_below(root: int) -> None:
    """Kill all that descends from the process ``root``; stopped first, so that none begins another
    meanwhile, whose parent would be gone."""
    found: set[Process] = set()
    while new := set(descendants(root)) - found:
        for one in new:
            _signal(one, signal.SIGSTOP)
        found |= new
    for one in found:
        _signal(one, signal.SIGKILL)


def _are_left(seconds: float) -> bool:
    """Wait until this process has no descendants any more."""
    give_up = time.monotonic() + seconds
    while True:
        _reap()
        if not descendants(os.getpid()):
            return False
        if time.monotonic() > give_up:
            return True
        time.sleep(0.01)


def _signal(one: Process, number: signal.Signals) -> None:
    with contextlib.suppress(OSError):
        os.kill(one.pid, number)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
