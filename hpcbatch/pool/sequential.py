"""A pool without workers, for debugging: each call is made where it is pushed."""

from __future__ import annotations

import pickle
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from ..use.pickling import dumps
from ..worker import wire
from ..worker.calls import failure_of
from .controller import Controller
from .summary import Summary
from .task import PoolTask, Result


class SequentialController(Controller):
    """Has the face of a Controller; a debugger and prints work as in any call. Random numbers are
    those of this process, and what a call does to it stays done. It takes what a Controller takes,
    so that nothing but the class is to be changed, and makes no use of what is about workers.
    Raises UsageError."""

    def __init__(
        self, cluster: str = "local", workers: int = 1, *, name: str = "sequential", **settings: Any
    ):
        super().__init__(cluster, workers, name=name, **settings)

    def _open(self) -> Any:
        return InProcess(self.name, self._take)


class InProcess:
    """Stands for an open pool and for its broker."""

    def __init__(self, name: str, resolve: Callable[[PoolTask, Result], None]):
        self._name, self._resolve = name, resolve
        self.broker = self.loop = self
        self.lock = threading.Lock()
        self.live: dict[int, PoolTask] = {}

    def submit(self, task: PoolTask) -> None:
        function, constants = pickle.loads(task.function.content)
        began = time.perf_counter()
        parts: list[memoryview] = []
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                how, value = _call(function, constants, task, parts)
            except Exception as error:
                how, value = wire.ERROR, failure_of(error)
            except BaseException:  # Ctrl-C in a debugger
                task.is_over = True
                self._resolve(task, Result("canceled", controller=self._name))
                raise
        told = tuple(f"{each.category.__name__}: {each.message}" for each in warned)
        status = "error" if how == wire.ERROR else "done"
        seconds = time.perf_counter() - began
        task.is_over = True
        result = Result(status, how, value, parts, seconds, told, "here", self._name)
        self._resolve(task, result)

    def help(self, is_over: Callable[[], bool], timeout: float | None = None) -> None:
        """Nothing is ever waited for."""

    def summary(self) -> Summary:
        return Summary()

    def is_own_thread(self) -> bool:
        return False

    def drain(self) -> None:
        """Nothing is ever left."""

    def close(self) -> list[PoolTask]:
        return []


def _call(
    function: Any, constants: dict[str, Any], task: PoolTask, parts: list[memoryview]
) -> tuple[int, Any]:
    values = wire.unpack(task.how, task.payload, task.parts)
    if not task.size:
        positional, named = values if task.how else (values, {})
        return wire.pack(function(*positional, **named, **constants), parts, dumps)
    done: list[Any] = []
    failures: dict[int, Any] = {}
    for arguments in zip(*values, strict=True):
        try:
            done.append(function(*arguments, **constants))
        except Exception as error:
            failures[len(done)] = failure_of(error)
            done.append(None)
    return wire.pack((done, failures), parts, dumps)
