"""Tasks that were pushed, and the rows of those that are resolved."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from ..words.errors import UsageError
from .interrupts import PutOff
from .rows import Row, row_of
from .settings import PoolSettings
from .task import PoolTask, Result


def check_until(until: str) -> None:
    if until not in ("all", "one"):
        raise UsageError(f"wait({until!r}): it is one of all, one")


class Pushed:
    """What a controller keeps of them, under the names that a user gave."""

    workers: int
    settings: PoolSettings

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._opening = threading.RLock()
        self._waiters: list[Any] = []  # locks: Ctrl-C finds a Condition between two of its lines
        self._done: deque[PoolTask] = deque()  # not popped
        self._rowless: deque[PoolTask] = deque()  # those without a row, which are the last of them
        self._pushed: dict[int, PoolTask] = {}
        self._resolved = 0
        self._backlog: deque[str] = deque()
        self._listeners: tuple[Callable[[], None], ...] = ()

    def _check(self) -> None:
        """Raises PoolClosed in a process that was forked."""

    def help(self, is_over: Callable[[], bool], timeout: float | None = None) -> None:
        """Do the pool's work for a moment, until ``is_over``."""

    def keep(self, task: PoolTask) -> None:
        self._pushed[task.number] = task

    def withdraw(self, task: PoolTask) -> None:
        """It was not taken after all."""
        self._pushed.pop(task.number, None)

    def unresolved_of(self, names: str | Iterable[str] | None) -> list[PoolTask]:
        """Those of these names, or all."""
        wanted = None if names is None else {names} if isinstance(names, str) else set(names)
        waiting = list(self._pushed.values())
        return [task for task in waiting if wanted is None or task.label() in wanted]

    def wait(self, until: str = "all", timeout: float | None = None) -> bool:
        """Until ``all`` pushed tasks are resolved, or ``one`` can be popped, for ``timeout``
        seconds at most. Whether it is so; also True where no task is left to wait for. Raises
        UsageError, PoolClosed in a process that was forked."""
        check_until(until)
        self._check()

        def is_so() -> bool:
            with self._lock:
                return not self._pushed or (until == "one" and bool(self._done))

        return self._wait_for(is_so, timeout)

    def _wait_for(self, is_so: Callable[[], bool], timeout: float | None = None) -> bool:
        ends = None if timeout is None else time.monotonic() + timeout
        self.help(is_so, timeout)
        waiter = threading.Lock()
        waiter.acquire()
        self._waiters.append(waiter)
        try:
            while not is_so():
                left = -1.0 if ends is None else max(ends - time.monotonic(), 0.0)
                if not waiter.acquire(timeout=left):
                    return is_so()
            return True
        finally:
            self._waiters.remove(waiter)

    def pop(self) -> Row | None:
        """The row of a task that is resolved; None when there is none."""
        while self._done:
            with self._opening:
                if self._done:
                    self._row_of(self._done[0])
            rows = self._take_rows(1)
            if rows:  # else somebody else has taken that one
                return rows[0]
        return None

    def collect(self, wait: bool = True) -> list[Row]:
        """The rows of all tasks; waits for them, unless told not to."""

        def is_news() -> bool:
            return bool(self._rowless) or not self._pushed

        if wait:
            self._check()
            while self._pushed:
                self._make_rows()  # beside the workers' work
                self._wait_for(is_news)
        self._make_rows()
        return self._take_rows(len(self._done))

    def _take_rows(self, most: int) -> list[Row]:
        """Rows that are made; none by a call that Ctrl-C ends: nothing comes between the end of
        the block and whoever gets them."""
        taken: list[PoolTask] = []
        rows: list[Row] = []
        try:
            with PutOff(), self._opening:
                while len(taken) < most and self._done and self._done[0].row is not None:
                    first = self._done.popleft()
                    taken.append(first)
                    rows.append(first.row)
                    if self._rowless and self._rowless[0] is first:
                        self._rowless.popleft()
        except BaseException:
            self._done.extendleft(reversed(taken))
            raise
        return rows

    def _make_rows(self) -> None:
        """Of all that came; one that is interrupted is made again."""
        with self._opening:
            while self._rowless:
                self._row_of(self._rowless[0])
                self._rowless.popleft()

    def _row_of(self, task: PoolTask) -> Row:
        result = task.result
        if task.row is None and result is not None:
            task.row = row_of(task, result, self.settings.seed)
            task.result = None
        row: Row = task.row
        return row

    def resolve(self, task: PoolTask, result: Result) -> None:
        """Called by the pool: a pushed task is resolved."""
        with self._lock:
            if self._pushed.pop(task.number, None) is None:
                return  # its turn was interrupted, and made again
            task.result = result
            self._done.append(task)
            self._rowless.append(task)
            self._resolved += 1
            if len(self._rowless) <= 1 or not self._pushed:  # else nobody waits for this one
                for waiter in self._waiters[:]:
                    if waiter.locked():
                        waiter.release()
        for listener in self._listeners:
            listener()

    def has_row(self) -> bool:
        """Whether ``pop`` would return one."""
        with self._lock:
            return bool(self._done)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """``listener`` is called for each pushed task that is resolved, from any thread; call what
        is returned to end that."""
        self._listeners = (*self._listeners, listener)

        def stop() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

        return stop

    def crashes(self, name: str) -> int:
        """How often the task of that name, not popped yet, has crashed."""
        waiting = [*list(self._pushed.values()), *self._done]
        return next((task.crashes for task in waiting if task.label() == name), 0)

    @property
    def size(self) -> int:
        """Tasks that were pushed and not popped."""
        return len(self._pushed) + len(self._done)

    @property
    def resolved(self) -> int:
        """Pushed tasks that are resolved, popped or not."""
        return self._resolved

    @property
    def unresolved(self) -> int:
        return len(self._pushed)

    @property
    def saturated(self) -> bool:
        """Whether there are at least as many unresolved tasks as workers."""
        return self.unresolved >= self.workers

    def push_backlog(self, name: str) -> None:
        """Note something to be pushed later; see ``pop_backlog``."""
        self._backlog.append(name)

    def pop_backlog(self) -> list[str]:
        """As many of the noted names as can be pushed without saturating the pool."""
        room = max(self.workers - self.unresolved, 0)
        return [self._backlog.popleft() for _ in range(min(room, len(self._backlog)))]
