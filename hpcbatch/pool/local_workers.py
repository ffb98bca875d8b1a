"""Workers that are processes of this host, whoever has launched them: found and ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import NamedTuple

from ..disk.files import read
from ..disk.process_tree import Process, all_pids, look, marked, send, terminate

POOL = "HPCBATCH_POOL"  # in the environment of all that workers start, where we launch them
PATIENCE = 3.0  # seconds to leave by themselves
PAUSE = 0.02


class LocalWorker(NamedTuple):
    """A worker, with the number of its launch and its own in that."""

    process: Process
    launch: int
    element: int


def workers_here(folder: str) -> list[LocalWorker]:
    """Those of the pool in ``folder``, by their command lines."""
    return list(_workers(folder))


def end_here(pool: str, folder: str) -> None:
    """End the workers of a pool, and what they have started. Each may leave by itself first."""
    ends = time.monotonic() + PATIENCE
    terminate(found.process for found in _workers(folder))
    while any(_workers(folder)) and time.monotonic() < ends:
        time.sleep(PAUSE)
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        left = [*marked({POOL: pool}), *(found.process for found in _workers(folder))]
        if not left:
            return
        for process in left:
            send(process, signal.SIGKILL)
        time.sleep(PAUSE)


def _workers(folder: str) -> Iterator[LocalWorker]:
    wanted = os.fsencode(folder)
    for pid in all_pids():
        try:
            argv = read(f"/proc/{pid}/cmdline").rstrip(b"\0").split(b"\0")
        except OSError:
            continue
        if wanted not in argv[1:] or not os.path.basename(argv[argv.index(wanted) - 1]).startswith(
            b"worker-"
        ):
            continue
        seen = look(pid)
        if seen is not None:
            told = [int(word) for word in argv[argv.index(wanted) + 1 :] if word.isdigit()]
            launch, element = (*told, 0, 0)[:2]
            yield LocalWorker(seen[0], launch, element)
