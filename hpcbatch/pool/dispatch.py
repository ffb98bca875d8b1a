"""Which worker gets which tasks, and what becomes of them when it is lost. No input or output.

Each handing out of a task has a number of its own; a result counts when its worker still holds
that number. So a worker that was given up and comes back can say nothing about what others do now.

A worker is given as many small tasks in advance as keep it busy for a moment, and one where they
take long. Of a worker that is lost, the task that was running has crashed once. Which one that
was is known where it told, or held but one; else all that it held are *alone* from then on: each
is given to a worker that has nothing beside it. One that was broken off since its worker's time
was over is alone as well, and given up where it is broken off again although it had all that time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from operator import attrgetter
from typing import Any, NamedTuple

from .task import PoolTask

_HELD = attrgetter("held")
CHUNKS = 2  # that a worker holds at most
NEARLY = 0.9  # of a worker's time: what has that much of it has all that there is


class TaskBatch(NamedTuple):
    """Tasks for a worker, by their dispatch numbers."""

    worker: Worker
    tasks: list[tuple[int, PoolTask]]


class Worker:
    """A connection of a worker. ``name`` is the worker's own, which outlives connections. ``ends``
    is when its time is over, which is ``time`` seconds in all."""

    __slots__ = (
        *("key", "name", "held", "running", "functions", "left", "ends", "slow", "is_closed"),
        *("forgotten", "time"),
        *("about", "done", "seconds"),
    )

    def __init__(
        self,
        key: bytes,
        name: str,
        left: int | None = None,
        ends: float = math.inf,
        time: float = math.inf,
    ):
        self.key, self.name, self.left, self.ends, self.time = key, name, left, ends, time
        self.held: dict[int, PoolTask] = {}
        self.running: int | None = None  # the dispatch of a task that takes long
        self.functions: set[int] = set()
        self.forgotten: list[int] = []  # of them, which it is yet to be told
        self.slow: set[int] = set()  # dispatches behind which nothing may wait
        self.is_closed = False  # it is given nothing any more
        self.about: dict[str, object] = {}
        self.done, self.seconds = 0, 0.0


class Dispatch:
    def __init__(self, crashes_max: int):
        self.crashes_max = crashes_max
        self.live: dict[int, PoolTask] = {}  # by number: submitted, or split off, and not resolved
        self.workers: dict[bytes, Worker] = {}
        self.waiting: deque[PoolTask] = deque()
        self.alone: deque[PoolTask] = deque()
        self.came: deque[dict[str, Any]] = deque()  # what new workers said of themselves
        self._open: dict[bytes, Worker] = {}  # those that may have room
        self._next = 1
        self._ends: dict[str, float] = {}  # of workers by name, also of those that have gone
        self._charged: dict[str, PoolTask] = {}  # by the workers that were lost with them

    @property
    def has_idle(self) -> bool:
        return not all(map(_HELD, self._open.values()))

    def begin_again(self, tasks: list[PoolTask]) -> None:
        """As if ``tasks`` had just been added, and no worker were there."""
        self.workers.clear()
        self._open.clear()
        self.alone.clear()
        self.waiting.clear()
        for task in tasks:
            task.is_over = task.is_out = False
            (self.alone if task.alone else self.waiting).append(task)

    def arrive(self, worker: Worker) -> None:
        """One that was lost and comes back has not crashed."""
        if worker.name:  # with the time that it had, where it has come before
            worker.ends = self._ends.setdefault(worker.name, worker.ends)
        task = self._charged.pop(worker.name, None)
        if task is not None and task.crashes > 0 and not task.is_over:
            task.crashes -= 1
        self.workers[worker.key] = self._open[worker.key] = worker

    def close(self, key: bytes) -> None:
        """Give a worker nothing any more."""
        self.workers[key].is_closed = True
        self._open.pop(key, None)

    def forget(self, functions: Iterable[int]) -> None:
        """Functions that no task has any more: workers are told with their next tasks."""
        for number in functions:
            for worker in self.workers.values():
                if number in worker.functions:
                    worker.functions.discard(number)
                    worker.forgotten.append(number)

    def add(self, tasks: Iterable[PoolTask]) -> None:
        self.waiting.extend(tasks)

    def assign(self, now: float) -> list[TaskBatch]:
        """Hand out what waits to whoever has room."""
        batches: dict[bytes, TaskBatch] = {}
        self._assign_alone(now, batches)
        while self.waiting and self._open:
            share = -(-len(self.waiting) // len(self._open))
            before = len(self.waiting)
            for worker in list(self._open.values()):
                batch = self._take(worker, share, now)
                if batch:
                    found = batches.setdefault(worker.key, TaskBatch(worker, []))
                    found.tasks.extend(batch)
            if len(self.waiting) == before:
                break
        return list(batches.values())

    def finish(self, key: bytes, dispatch: int, seconds: float) -> PoolTask | None:
        """The task whose result this is; None where it counts no more."""
        worker = self.workers.get(key)
        task = worker.held.pop(dispatch, None) if worker is not None else None
        if worker is None or task is None:
            return None
        worker.slow.discard(dispatch)
        if worker.running == dispatch:
            worker.running = None
        if not worker.is_closed:
            self._open[key] = worker
        worker.done += task.size or 1
        worker.seconds += seconds
        task.function.pace.measured(seconds / (task.size or 1))
        if task.is_over:
            return None
        task.is_over = True
        return task

    def busy(self, key: bytes, dispatch: int, returned: Iterable[int]) -> None:
        """A worker's task takes long, and what waited behind it comes back."""
        worker = self.workers.get(key)
        if worker is None:
            return
        if dispatch in worker.held:
            worker.running = dispatch
            worker.slow.add(dispatch)
            self._open.pop(key, None)
        back = [worker.held.pop(one) for one in returned if one in worker.held]
        if worker.left is not None:
            worker.left += len(back)
        worker.slow.intersection_update(worker.held)
        self._put_back(back)
        if not worker.held and not worker.is_closed:
            self._open[key] = worker

    def leave(self, key: bytes, broken_off: Iterable[int] = ()) -> list[PoolTask]:
        """A worker has gone as it was to; what it held goes back. Returns the task, if any, that
        was ``broken_off`` by the end of its time again, and had all of it."""
        worker = self._without(key)
        if worker is None:
            return []
        tried = [worker.held.pop(one) for one in broken_off if one in worker.held]
        self._put_back(list(worker.held.values()))
        over: list[PoolTask] = []
        for task in tried:
            if task.alone and task.had >= NEARLY * worker.time and not task.is_over:
                over += self._given_up(task)
            else:
                task.alone = True
                self._put_back([task])
        return over

    def lose(self, key: bytes) -> list[PoolTask]:
        """What a worker held goes back. Returns the task that has crashed too often, if any."""
        worker = self._without(key)
        if worker is None:
            return []
        held = [task for task in worker.held.values() if not task.is_over]
        if not held:
            return []
        culprit = worker.held.get(worker.running) if worker.running is not None else None
        if culprit is None and len(worker.held) == 1:
            culprit = held[0]
        if culprit is None:
            for task in held:
                task.alone = True
            self.alone.extend(held)
            return []
        self._put_back([task for task in held if task is not culprit])
        return self._charge(worker, culprit)

    def drop(self, task: PoolTask) -> None:
        """It is wanted no more; its result will not count."""
        task.is_over = True

    def _without(self, key: bytes) -> Worker | None:
        self._open.pop(key, None)
        return self.workers.pop(key, None)

    def _given_up(self, task: PoolTask) -> list[PoolTask]:
        """The task, which is over; of a chunk each item gets a try of its own."""
        task.is_over = True
        if task.size <= 1:
            return [task]
        pieces = task.split()
        self.live.update({piece.number: piece for piece in pieces})
        self.alone.extend(pieces)
        return []

    def _charge(self, worker: Worker, task: PoolTask) -> list[PoolTask]:
        if task.is_over:
            return []
        if task.size > 1:
            return self._given_up(task)
        task.crashes += 1
        task.alone = True
        if task.crashes > self.crashes_max:
            return self._given_up(task)
        if worker.name:
            wanted = {name: one for name, one in self._charged.items() if not one.is_over}
            self._charged = {**wanted, worker.name: task}
        self.alone.append(task)
        return []

    def _put_back(self, tasks: list[PoolTask]) -> None:
        wanted = [task for task in tasks if not task.is_over]
        for task in wanted:
            task.is_out = False
        self.alone.extendleft(task for task in reversed(wanted) if task.alone)
        self.waiting.extendleft(task for task in reversed(wanted) if not task.alone)

    def _assign_alone(self, now: float, batches: dict[bytes, TaskBatch]) -> None:
        for worker in list(self._open.values()) if self.alone else ():
            if worker.held:
                continue
            while self.alone and self.alone[0].is_over:
                self.alone.popleft()
            if self.alone and _fits(worker, self.alone[0], now):
                task = self.alone.popleft()
                dispatch = self._hand_out(worker, task, now)
                worker.slow.add(dispatch)
                del self._open[worker.key]
                batches[worker.key] = TaskBatch(worker, [(dispatch, task)])

    def _take(self, worker: Worker, share: int, now: float) -> list[tuple[int, PoolTask]]:
        taken: list[tuple[int, PoolTask]] = []
        waiting, held = self.waiting, worker.held
        is_for_ever = worker.left is None and worker.ends == math.inf
        while waiting and len(taken) < share:
            task = waiting[0]
            if task.is_over:
                waiting.popleft()
                continue
            pace = task.function.pace
            limit = CHUNKS if task.size else pace.limit
            is_full = len(held) >= limit or bool(worker.slow)
            if is_full or not (is_for_ever or _fits(worker, task, now)):
                self._open.pop(worker.key, None)
                break
            waiting.popleft()
            dispatch = self._hand_out(worker, task, now)
            if pace.is_slow and not task.size:
                worker.slow.add(dispatch)
            taken.append((dispatch, task))
        return taken

    def _hand_out(self, worker: Worker, task: PoolTask, now: float) -> int:
        dispatch = self._next
        self._next += 1
        worker.held[dispatch] = task
        task.is_out = True
        task.had = worker.ends - now
        if worker.left is not None:
            worker.left -= 1
        return dispatch


def _fits(worker: Worker, task: PoolTask, now: float) -> bool:
    """Whether a worker may begin one more, and will be there at its end as far as is known."""
    if worker.left is not None and worker.left <= 0:
        return False
    left = worker.ends - now
    needed = (task.function.pace.mean or 0.0) * (task.size or 1)
    return left >= needed or left >= NEARLY * worker.time  # no other has more
