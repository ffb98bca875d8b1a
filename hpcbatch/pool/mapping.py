"""Many calls of one function at once: chunks that grow with what was measured."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..use.pickling import dumps
from ..words.errors import InputError, WaitTimeout
from ..worker import wire
from ..worker.wire import Failure
from .result_values import exception_of, value_of
from .sent_functions import Function
from .task import PoolTask, Result

SECONDS = 0.02  # of work in a chunk
FIRST = 8  # items in the first chunks
GROWTH = 8  # a chunk has at most so many times what is done already
AHEAD = 3  # chunks for each worker at a time
_NUMBERS = frozenset({bool, int, float, complex, type(None)})


class Map:
    """The items of one map. ``send`` takes a task; ``workers`` tells how many there are, and
    ``why_empty`` why none could be launched, if so; ``first`` is the number of the first item, and
    the others follow."""

    def __init__(
        self,
        function: Function,
        columns: Sequence[Sequence[Any]],
        send: Callable[[PoolTask], None],
        workers: Callable[[], int],
        why_empty: Callable[[], str],
        first: int,
    ):
        self._function, self._columns = function, columns
        self._send, self._workers, self._why_empty = send, workers, why_empty
        self._first = first
        self.total = len(columns[0])
        self.values: list[Any] = [None] * self.total
        self.failures: dict[int, BaseException] = {}
        self._changed = threading.Condition()
        self._results: list[tuple[PoolTask, Result]] = []
        self._seen: set[int] = set()
        self._sent = self._done = 0
        self._seconds = 0.0
        self.tasks: list[PoolTask] = []

    def run(self, timeout: float | None = None, fails_early: bool = False) -> None:
        """Until all items are over. Raises WaitTimeout."""
        ends = math.inf if timeout is None else time.monotonic() + timeout
        while self._done < self.total:
            self.tasks = self.unfinished()
            while self._sent < self.total and len(self.tasks) < AHEAD * max(self._workers(), 1):
                self._send_chunk()
            with self._changed:
                while not self._results:
                    left = ends - time.monotonic()
                    if left <= 0:
                        raise self._timed_out(timeout)
                    self._changed.wait(min(left, 3600.0))
                results, self._results = self._results, []
            for task, result in results:
                self._note(task, result)
            if fails_early and self.failures:
                return

    def _timed_out(self, timeout: float | None) -> WaitTimeout:
        told = f"{self._done} of {self.total} items are done after {timeout} s"
        if why := self._why_empty():
            return WaitTimeout(
                f"{told}, and the map was given up: no worker could be launched. {why}"
            )
        return WaitTimeout(f"{told}, and the map was given up: map again with a longer timeout")

    def collected(self, on_error: str) -> list[Any]:
        """The values of a map that is over, in order; ``on_error`` as in ``Controller.map``."""
        if self.failures and on_error == "raise":
            number = min(self.failures)
            error = self.failures[number]
            notes = getattr(error, "__notes__", None)
            told = [*(notes if isinstance(notes, list) else ()), f"item {number} of the map"]
            vars(error)["__notes__"] = told
            raise error
        if on_error == "skip":
            return [one for number, one in enumerate(self.values) if number not in self.failures]
        for number, error in self.failures.items():
            self.values[number] = error
        return self.values

    def unfinished(self) -> list[PoolTask]:
        return [task for task in self.tasks if not task.is_over]

    def resolve(self, task: PoolTask, result: Result) -> None:
        with self._changed:
            if task.number in self._seen:
                return  # its turn was interrupted, and made again
            self._seen.add(task.number)
            self._results.append((task, result))
            self._changed.notify()

    def _send_chunk(self) -> None:
        size = min(self._size(), self.total - self._sent)
        chunk = [column[self._sent : self._sent + size] for column in self._columns]
        parts: list[memoryview] = []
        if all(_NUMBERS.issuperset(map(type, column)) for column in chunk):
            how, payload = wire.PLAIN, chunk
        else:
            how, payload = _packed(chunk, parts, self._sent)
        number = self._first + self._sent
        task = PoolTask(number, self._function, how, payload, self, items=chunk, parts=parts)
        self._sent += size
        self.tasks.append(task)
        self._send(task)

    def _send_pieces(self, task: PoolTask) -> None:
        """Of a chunk that could not begin, since one of its items cannot be unpickled there."""
        with self._changed:
            self._seen.discard(task.number)  # the first piece has it
        for piece in task.split():
            self.tasks.append(piece)
            self._send(piece)

    def _size(self) -> int:
        if not self._done:
            return FIRST
        each = self._seconds / self._done + 1e-7
        fair = -(-(self.total - self._sent) // (2 * max(self._workers(), 1)))
        return max(1, min(int(SECONDS / each), GROWTH * self._done, fair))

    def _note(self, task: PoolTask, result: Result) -> None:
        if result.how == wire.ERROR and result.status == "error" and task.size > 1:
            self._send_pieces(task)
            return
        begin = task.number - self._first
        self._done += task.size
        self._seconds += result.seconds
        if result.how == wire.ERROR or result.status == "canceled":
            failure = Failure(*(result.value or ("Canceled", "it was canceled", "")))
            for number in range(begin, begin + task.size):
                self.failures[number] = exception_of(failure, result.status)
            return
        try:
            values, failures = value_of(result)
        except (Exception, SystemExit) as error:  # a result's class is not here, or fails
            for number in range(begin, begin + task.size):
                self.failures[number] = error
            return
        self.values[begin : begin + task.size] = values
        for number, told in failures.items():
            self.failures[begin + number] = exception_of(Failure(*told))


def _packed(
    columns: Sequence[Sequence[Any]], parts: list[memoryview], first: int
) -> tuple[int, Any]:
    """Raises InputError, which names the item by its number."""
    try:
        return wire.pack(columns, parts, dumps)
    except Exception as error:
        failed = error
    for number, item in enumerate(zip(*columns, strict=True), first):
        if len(columns[0]) > 1:
            _packed([[each] for each in item], [], number)
    raise InputError(f"item {first} of the map cannot be pickled: {failed}") from failed


def columns_of(iterables: Iterable[Iterable[Any]]) -> list[Sequence[Any]]:
    """Of the same length, that of the shortest, as ``map`` has it. Raises InputError."""
    given = list(iterables)
    if not given:
        raise InputError("there are no inputs: give at least one iterable")
    found = [each if isinstance(each, (list, tuple, range)) else list(each) for each in given]
    shortest = min(map(len, found))
    return [list(itertools.islice(each, shortest)) for each in found]
