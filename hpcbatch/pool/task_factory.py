"""Makes a pool's tasks: numbers them, finds their functions and pickles their arguments."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ..use.pickling import dumps
from ..words.errors import InputError
from ..worker import wire
from .sent_functions import Function, SentFunctions
from .task import PoolTask, Result, Sink

MAPPED = 1 << 40  # from here on are the numbers of items of maps
_SMALL = frozenset({type(None), bool, int, float, complex})


class TaskFactory:
    def __init__(self) -> None:
        self.functions = SentFunctions()
        self._numbers = itertools.count(1)  # next() is atomic, and a lock costs a tenth of a push
        self._lock = threading.Lock()
        self._mapped = MAPPED

    def function(
        self,
        given: Callable[..., Any],
        const: Mapping[str, Any] | None = None,
        afresh: bool = False,
    ) -> Function:
        """As ``SentFunctions.find``. Raises InputError."""
        return self.functions.find(given, const, afresh)

    def task(
        self,
        function: Function,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        sink: Sink,
        seed: int | None = None,
        name: str | None = None,
    ) -> PoolTask:
        """Raises InputError where the arguments cannot be pickled."""
        number = next(self._numbers)
        if not kwargs and _SMALL.issuperset(map(type, args)):
            return PoolTask(number, function, wire.PLAIN, args, sink, seed, name)
        parts: list[memoryview] = []
        try:
            how, payload = wire.pack((args, dict(kwargs)), parts, dumps)
        except Exception as error:
            raise InputError(
                f"the arguments of {function.label} cannot be pickled: {error}"
            ) from error
        return PoolTask(number, function, how, payload, sink, seed, name, parts)

    def reserve(self, count: int) -> int:
        """The first of so many numbers for the items of a map."""
        with self._lock:
            first = self._mapped
            self._mapped += count
        return first

    def adopt(self, task: PoolTask) -> PoolTask:
        """A task of another pool, whose result goes where it was expected."""
        return PoolTask(
            next(self._numbers),
            self.functions.adopt(task.function),
            task.how,
            task.payload,
            _Home(task),
            task.seed,
            task.name,
            task.parts,
            task.items,
        )


class _Home:
    """Brings a result back to the task that a backup runs."""

    def __init__(self, task: PoolTask):
        self._task = task

    def resolve(self, task: PoolTask, result: Result) -> None:
        self._task.crashes += task.crashes
        self._task.sink.resolve(self._task, result)
