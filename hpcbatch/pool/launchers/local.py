"""Workers as plain processes of this machine. They run the script that an element of the cluster
``local`` runs; but no slots are kept for them, since most of the time they wait."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time

from ...cluster import shell
from ...cluster.cluster import Cluster
from ...disk.files import private_opener
from ...words.layout import PoolLayout
from ...words.model import Array
from ...words.resources import Resources
from ..launch_records import write_launch
from .base import Call, Launcher, Standing
from .elements import Elements, marks, resources_of

PATIENCE = 3.0  # seconds to leave by themselves


class LocalLauncher(Launcher):
    pause = 1.0
    is_prompt = True

    def __init__(self, cluster: Cluster, layout: PoolLayout, resources: Resources):
        self._cluster, self._layout = cluster.as_here(), layout
        self._resources = resources_of(cluster, resources)
        self._processes: dict[int, list[subprocess.Popen[bytes]]] = {}

    def launch_workers(self, call: Call, n: int) -> None:
        """Raises OSError, ConfigError, ResourceError."""
        self._reap()
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
        if number not in self._processes:  # of the relay before this one
            return None
        self._reap()
        return Standing(0, sum(each.returncode is None for each in self._processes[number]))

    def _reap(self) -> None:
        """The log of a worker that did not leave by itself tells how it ended."""
        for number, started in self._processes.items():
            for index, process in enumerate(started):
                if process.returncode is None and (status := process.poll()):
                    _tell_of_end(self._layout.log(number, index), status)

    def terminate_workers(self) -> None:
        self._reap()
        ends = time.monotonic() + PATIENCE
        for process in [each for started in self._processes.values() for each in started]:
            try:
                process.wait(max(ends - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._processes.clear()


def _tell_of_end(log: str, status: int) -> None:
    how = f"with exit status {status}"
    if status < 0:
        how = f"by signal {-status} ({signal.strsignal(-status)})"
    with contextlib.suppress(OSError), open(log, "a", opener=private_opener) as file:
        file.write(f"hpcbatch: this worker ended {how}\n")
