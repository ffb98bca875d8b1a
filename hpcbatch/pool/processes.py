"""Workers as plain processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time

PATIENCE = 3.0  # seconds to leave by themselves


class Processes:
    def __init__(self, worker: str, folder: str, logs: str):
        self._argv = [sys.executable, worker, folder]
        self._logs = logs
        self._processes: list[subprocess.Popen[bytes]] = []
        self._started = 0

    def ensure(self, n: int) -> None:
        """That ``n`` run."""
        self._processes = [each for each in self._processes if each.poll() is None]
        for _ in range(n - len(self._processes)):
            self._started += 1
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            log = os.open(f"{self._logs}/{self._started:04d}.log", flags, 0o600)
            try:
                self._processes.append(
                    subprocess.Popen(self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                )
            finally:
                os.close(log)

    def terminate(self) -> None:
        ends = time.monotonic() + PATIENCE
        for process in self._processes:
            try:
                process.wait(max(ends - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
