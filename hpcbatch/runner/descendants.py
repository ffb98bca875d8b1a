"""The end of the processes that jobs have started."""

from __future__ import annotations

import os
import signal
import time

from ..disk.process_tree import Process, descendants, look, send

PATIENCE = 2.0  # seconds between SIGTERM and SIGKILL, and for all to be stopped
_EVERY_CHILD = 0x40000000  # __WALL of wait(2): also those that tell of their end by no SIGCHLD
_AT_REST = b"TtZXD"  # states of proc(5) in which nothing is begun; D: a parent in vfork(2)


def end_descendants() -> None:
    """End whatever this process has started and is still there."""
    for one in descendants(os.getpid()):
        send(one, signal.SIGTERM)
    if _are_left(PATIENCE):
        kill_descendants(os.getpid())
        _are_left(1.0)


def kill_descendants(root: int) -> None:
    """Kill all that descends from the process ``root``, which is this one or was stopped.

    They are stopped first, since what is begun by one that ends is nobody's descendant. Children
    are killed before their parents: whose parent ends may be continued (setpgid(2), orphaned
    groups), and whoever is interrupted here can find them again.
    """
    give_up = time.monotonic() + PATIENCE
    stopped: set[Process] = set()
    while True:
        were_at_rest = _is_at_rest(root) and all(_is_at_rest(one.pid) for one in stopped)
        tree = descendants(root)
        new = set(tree) - stopped
        reached = {one for one in new if send(one, signal.SIGSTOP)}
        stopped |= reached
        if (were_at_rest and not reached) or time.monotonic() > give_up:
            break
        time.sleep(0.001)
    for one in reversed(tree):
        send(one, signal.SIGKILL)
    for one in stopped.difference(tree):  # somebody else has ended its parent
        send(one, signal.SIGKILL)


def _is_at_rest(pid: int) -> bool:
    seen = look(pid)
    return pid == os.getpid() or seen is None or seen.state in _AT_REST


def _are_left(seconds: float) -> bool:
    """Wait until this process has no child any more, and so no descendant."""
    give_up = time.monotonic() + seconds
    while _has_children():
        if time.monotonic() > give_up:
            return True
        time.sleep(0.01)
    return False


def _has_children() -> bool:
    try:
        while os.waitpid(-1, os.WNOHANG | _EVERY_CHILD)[0]:
            pass
    except ChildProcessError:
        return False
    return True
