"""A worker's log of its CPU time and memory, while it lives: CSV, or what Prometheus' node exporter
reads from a folder (its textfile collector)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from typing import Any

from ..disk.files import make_folder, publish

_PAGE = os.sysconf("SC_PAGE_SIZE")
COLUMNS = "time,worker,host,pid,cpu_seconds,cpu_percent,resident_bytes,peak_bytes"


class WorkerMetrics:
    """``asked``: ``folder``, ``seconds`` between two samples, and ``form``, csv or prometheus."""

    def __init__(self, asked: Mapping[str, Any], worker: str):
        self._worker, self._host = worker, os.uname().nodename
        self._seconds, self._form = float(asked["seconds"]), asked["form"]
        ending = "csv" if self._form == "csv" else "prom"
        make_folder(asked["folder"])
        self._path = f"{asked['folder']}/{worker}.{ending}"
        self._before = (time.monotonic(), _cpu_seconds())

    def start(self) -> None:
        if self._form == "csv":
            self._append(COLUMNS)
        threading.Thread(target=self._run, name="hpcbatch-metrics", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self.write()
            except OSError as error:  # a full disk is no reason to end a task
                print(f"hpcbatch: the metrics cannot be written: {error}", flush=True)
                return
            time.sleep(self._seconds)

    def write(self) -> None:
        """One sample."""
        now, cpu = time.monotonic(), _cpu_seconds()
        then, before = self._before
        self._before = now, cpu
        percent = 100 * (cpu - before) / (now - then) if now > then else 0.0
        resident, peak = _memory()
        if self._form == "csv":
            own = f"{self._worker},{self._host},{os.getpid()}"
            self._append(f"{time.time():.3f},{own},{cpu:.2f},{percent:.1f},{resident},{peak}")
        else:
            publish(self._path, self._as_prometheus(cpu, resident, peak).encode())

    def _as_prometheus(self, cpu: float, resident: int, peak: int) -> str:
        labels = f'{{worker="{self._worker}",host="{self._host}",pid="{os.getpid()}"}}'
        rows = (
            ("cpu_seconds_total", "counter", cpu),
            ("resident_memory_bytes", "gauge", resident),
            ("peak_memory_bytes", "gauge", peak),
        )
        return "".join(
            f"# TYPE hpcbatch_worker_{name} {kind}\nhpcbatch_worker_{name}{labels} {value}\n"
            for name, kind, value in rows
        )

    def _append(self, line: str) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, f"{line}\n".encode())
        finally:
            os.close(fd)


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    return sum(os.times()[:4])


def _memory() -> tuple[int, int]:
    """Bytes: resident now, and at the most. Of this process alone."""
    import resource

    with open("/proc/self/statm") as statm:
        resident = int(statm.read().split()[1]) * _PAGE
    return resident, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
