"""What happens to workers: killed, stopped for a while, cut off."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import threading
from collections import Counter
from types import TracebackType

from hpcbatch import Controller
from tests.core import eventually


class Havoc:
    """While entered, does such things at random, about every ``pause`` seconds."""

    def __init__(self, pool: Controller, seed: int, pause: float):
        self._pool, self._random, self._pause = pool, random.Random(seed), pause
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._stopped: dict[int, threading.Timer] = {}
        self.done: Counter[str] = Counter()

    def __enter__(self) -> Havoc:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        for pid, timer in self._stopped.items():
            timer.cancel()
            signal_quietly(pid, signal.SIGCONT)

    def _run(self) -> None:
        while not self._over.wait(self._random.random() * 2 * self._pause):
            workers = self._pool.summary()
            if workers:
                pid = self._random.choice(workers)["pid"]
                what = self._random.choice(("kill", "stop", "cut"))
                self.done[what] += 1
                getattr(self, f"_{what}")(pid)

    def _kill(self, pid: int) -> None:
        signal_quietly(pid, signal.SIGKILL)

    def _stop(self, pid: int) -> None:
        signal_quietly(pid, signal.SIGSTOP)
        seconds = self._random.random() * 4
        self._stopped[pid] = threading.Timer(seconds, signal_quietly, (pid, signal.SIGCONT))
        self._stopped[pid].start()

    def _cut(self, pid: int) -> None:
        cut_connection(self._pool, pid)


def signal_quietly(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def cut_connection(pool: Controller, pid: int) -> None:
    """At the controller's end, whose other end is a socket of process ``pid``."""
    ports = _ports_of(pid)
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(name))) as found:
                if found.family == socket.AF_INET and found.getpeername()[1] in ports:
                    found.shutdown(socket.SHUT_RDWR)


def _ports_of(pid: int) -> set[int]:
    """Local ports of a process's TCP connections (proc(5), net/tcp)."""
    inodes = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            link = os.readlink(f"/proc/{pid}/fd/{name}")
            if link.startswith("socket:["):
                inodes.add(link[8:-1])
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in list(table)[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[9] in inodes}


def worker_of(pool: Controller, pid: int) -> dict[str, object]:
    return next(each for each in pool.summary() if each["pid"] == pid)


def await_workers(pool: Controller, count: int) -> list[int]:
    """Pids of the workers, when there are so many."""
    pool.start()
    eventually(lambda: len(pool.summary()) == count, f"{count} workers")
    return [int(each["pid"]) for each in pool.summary()]
