"""Workers as plain processes of this machine. They run the script that an element of the cluster
``local`` runs; but no slots are kept for them, since most of the time they wait."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from ...cluster import shell
from ...cluster.cluster import Cluster
from ...disk.files import read
from ...supervisor.process import Process, look, marked, send
from ...words.layout import PoolLayout
from ...words.model import Array
from ...words.resources import Resources
from ..launches import write_launch
from .base import Call, Launcher, Standing
from .elements import Elements, marks, resources_of

PATIENCE = 3.0  # seconds to leave by themselves
ROUNDS = 100  # of looking for what a process that is being killed has just started


class LocalLauncher(Launcher):
    pause = 1.0
    is_prompt = True

    def __init__(self, cluster: Cluster, layout: PoolLayout, resources: Resources):
        self._cluster, self._layout = cluster.as_here(), layout
        self._resources = resources_of(cluster, resources)
        self._processes: dict[int, list[subprocess.Popen[bytes]]] = {}

    def launch_workers(self, call: Call, n: int) -> None:
        """Raises OSError, ConfigError, ResourceError."""
        elements = Elements(self._cluster, self._layout, self._resources, None)
        path, _ = elements.keep_script(call, 0, Array(call.name, 0, n))
        write_launch(self._layout, elements.launch(call, n, ()))
        environment = {**shell.passed(), **marks(call.pool)}
        started = self._processes.setdefault(call.number, [])
        for index in range(n):
            # of a group of its own: an interrupt from the keyboard is for the controller
            started.append(
                subprocess.Popen(
                    ["/bin/bash", path],
                    stdin=subprocess.DEVNULL,
                    env={**environment, "HPCBATCH_LOCAL_INDEX": str(index)},
                    start_new_session=True,
                )
            )

    def standing(self, number: int) -> Standing | None:
        return Standing(0, sum(each.poll() is None for each in self._processes.get(number, ())))

    def terminate_workers(self) -> None:
        ends = time.monotonic() + PATIENCE
        for process in [each for started in self._processes.values() for each in started]:
            try:
                process.wait(max(ends - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._processes.clear()


def workers_of(pool: str) -> list[tuple[Process, int, int]]:
    """Workers of a pool that are processes of this host, with the number of their launch and their
    own; what they have started themselves is not among them."""
    found = list(marked(marks(pool)))
    pids = {process.pid for process in found}
    workers = []
    for process in found:
        seen = look(process.pid)
        if seen is not None and seen[1] not in pids:
            launch, element = _numbers(process.pid)
            workers.append((process, launch, element))
    return workers


def end_processes(pool: str) -> None:
    """End all that workers of a pool have started on this host, they themselves included."""
    for _ in range(ROUNDS):
        found = list(marked(marks(pool)))
        if not found:
            return
        for process in found:
            send(process, signal.SIGKILL)
        time.sleep(0.01)


def _numbers(pid: int) -> tuple[int, int]:
    """The last arguments of a worker (0, 0 where they cannot be read)."""
    try:
        *_, launch, element = read(f"/proc/{pid}/cmdline").rstrip(b"\0").split(b"\0")
        return int(launch), int(element)
    except (OSError, ValueError):
        return 0, 0
