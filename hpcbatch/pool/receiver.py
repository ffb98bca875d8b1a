"""Takes what workers say: who they are, what they have done, that they leave."""

from __future__ import annotations

import json
import logging
import math
import pickle
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..words.version import PYTHON, VERSION
from ..worker import wire
from ..worker.link import Message
from .dispatch import Dispatch, Worker
from .task import PoolTask, Result, crash

log = logging.getLogger("hpcbatch.pool")


class Receiver:
    """``send`` tells a worker something, ``lose`` gives it up; what is over is put in ``over``."""

    def __init__(
        self,
        name: str,
        dispatch: Dispatch,
        send: Callable[..., bool],
        lose: Callable[[Worker], None],
        over: list[tuple[PoolTask, Result]],
    ):
        self._name, self._dispatch = name, dispatch
        self._send, self._lose, self._over = send, lose, over

    def take(self, key: bytes, message: Message) -> None:
        """One message. What cannot be understood is told to the log; if a worker said it, that
        worker goes."""
        worker = self._dispatch.workers.get(key)
        try:
            self._take(key, worker, *message)
        except Exception as error:  # what a peer sends must not end the pool
            log.warning("a message that cannot be understood was ignored: %r", error)
            if worker is not None and self._send(worker, wire.BYE, b""):
                self._lose(worker)

    def _take(
        self, key: bytes, worker: Worker | None, kind: bytes, body: bytes, parts: Sequence[Any]
    ) -> None:
        if kind == wire.HELLO:
            self._greet(key, json.loads(body))
        elif worker is None:
            log.info("a message of a worker that was given up was dropped")
            self._send(Worker(key, ""), wire.UNKNOWN, b"")
        elif kind == wire.RESULTS:
            self._take_results(worker, body, parts)
        elif kind == wire.BUSY:
            dispatch, returned = pickle.loads(body)
            self._dispatch.busy(key, dispatch, returned)
        elif kind == wire.LEAVING:
            reason, running = pickle.loads(body)
            log.info("worker %s leaves: %s", worker.name, reason)
            broken_off = running if reason == wire.WALLTIME else ()
            for task in self._dispatch.leave(key, broken_off):
                told = (
                    f"it was not done within {worker.time:.0f} s, which is all the time that a "
                    "worker has, and not by another one either: give workers a longer walltime, or "
                    "make smaller calls"
                )
                self._over.append((task, crash(told, worker.name, self._name)))
        else:
            raise ValueError(f"there is no kind {kind!r}")

    def _take_results(self, worker: Worker, body: bytes, parts: Sequence[Any]) -> None:
        finish, over, key = self._dispatch.finish, self._over, worker.key
        name, controller = worker.name, self._name
        for dispatch, how, value, seconds, warnings in pickle.loads(body):
            task = finish(key, dispatch, seconds)
            if task is None:
                continue
            own: Any = ()
            if how == wire.PARTED:
                value, own = wire.own_parts(how, value, parts)
            status = "error" if how == wire.ERROR else "done"
            fields = (status, how, value, own, seconds, warnings, name, controller)
            over.append((task, tuple.__new__(Result, fields)))  # Result(...) takes twice as long

    def _greet(self, key: bytes, told: dict[str, Any]) -> None:
        left, walltime = told.get("max_tasks"), told.get("walltime")
        lives = math.inf if walltime is None else float(walltime)
        worker = Worker(key, str(told["worker"]), left, time.monotonic() + lives, lives)
        worker.about = told
        refusal = _refusal(told)
        if refusal:
            log.warning("worker of %s: %s", told.get("host"), refusal)
            self._send(worker, wire.REFUSED, json.dumps(refusal).encode())
        elif self._send(worker, wire.WELCOME, b"{}"):
            self._dispatch.arrive(worker)
            self._dispatch.came.append(told)
            log.info("worker %s has come from %s", worker.name, told.get("host"))


def _refusal(told: dict[str, Any]) -> str:
    """Why a worker cannot be of use here; empty when it can."""
    minor = ".".join(str(told.get("python", "")).split(".")[:2])
    if minor != PYTHON:
        return f"it runs Python {minor}, and the controller {PYTHON}"
    if told.get("version") != VERSION:
        return f"it has hpcbatch {told.get('version')}, and the controller {VERSION}"
    return ""
