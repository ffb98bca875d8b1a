"""Launches one worker and says how far it came: launch, start, address, port, keys, versions."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .logs import WorkerLogs

PAUSE = 0.05

# step -> what a worker that comes no further says in its log
_SAID = (
    ("Python", re.compile(r"needs pyzmq|was made with Python|No module named")),
    ("versions", re.compile(r"the controller refuses")),
    ("port", re.compile(r"no address of the controller accepts.*refused")),
    ("address", re.compile(r"no address of the controller accepts")),
    ("keys", re.compile(r"does not take the pool's keys")),
)


@dataclass(frozen=True)
class Check:
    """``step`` is where it ended: launch, start, Python, address, port, keys, versions, arrival,
    or ``ok``; ``why`` says what was wrong, ``worker`` what a worker that came said of itself."""

    step: str
    seconds: float
    addresses: tuple[str, ...]
    why: str = ""
    worker: dict[str, Any] | None = None

    @property
    def is_ok(self) -> bool:
        return self.step == "ok"

    def __str__(self) -> str:
        if self.worker is not None:
            told = self.worker
            who = f"pid {told.get('pid')} of {told.get('host')}, Python {told.get('python')}"
            return f"ok: a worker came after {self.seconds:.1f} s ({who})"
        offered = ", ".join(self.addresses)
        return f"{self.step}: {self.why} (after {self.seconds:.1f} s; offered were {offered})"


def check(
    logs: WorkerLogs,
    addresses: tuple[str, ...],
    launch: Callable[[], int],
    failure: Callable[[int], str],
    worker_of: Callable[[int], dict[str, Any] | None],
    timeout: float,
) -> Check:
    """``launch`` launches one worker, and returns the launch's number; ``worker_of`` tells what
    one of that launch said on its arrival; ``failure`` why a launch failed, if it has."""
    began = time.monotonic()
    number = launch()
    while True:
        worker, failed = worker_of(number), failure(number)
        said = logs.said(number)  # last: of a launch that failed its log is whole
        log = said[1] if said else ""
        if worker is not None:
            step, why = "ok", ""
        elif failed:
            step, why = _explained(log) or ("start" if log else "launch", failed)
        elif explained := _explained(log):
            step, why = explained
        elif time.monotonic() - began > timeout:
            step, why = _silence(logs.folder, said is not None, log)
        else:
            time.sleep(PAUSE)
            continue
        return Check(step, time.monotonic() - began, addresses, why, worker)


def _explained(log: str) -> tuple[str, str] | None:
    return next(((step, log) for step, words in _SAID if words.search(log)), None)


def _silence(folder: str, has_begun: bool, log: str) -> tuple[str, str]:
    if has_begun:
        return "arrival", f"a worker has started, and was not heard of. Its log: {log or 'empty'}"
    told = "it waits in the queue, or the pool's folder is not seen where it runs"
    return "start", f"no worker has begun its log: {told} ({folder})"
