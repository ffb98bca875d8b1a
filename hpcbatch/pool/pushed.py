"""Tasks that were pushed, and the rows of those that are resolved."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

from ..words.errors import UsageError
from .rows import Row, row_of
from .settings import Settings
from .task import Result, Task


class Pushed:
    """What a controller keeps of them, under the names that a user gave."""

    workers: int
    settings: Settings

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rows: deque[tuple[Task, Result]] = deque()
        self._pushed: dict[int, Task] = {}
        self._named: dict[str, Task] = {}
        self._resolved = 0
        self._backlog: deque[str] = deque()
        self._listeners: tuple[Callable[[], None], ...] = ()

    def _check(self) -> None:
        """Raises PoolClosed in a process that was forked."""

    def keep(self, task: Task, name: str | None) -> None:
        if name is not None:
            self._named[name] = task
        self._pushed[task.number] = task

    def unresolved_of(self, names: str | Iterable[str] | None) -> list[Task]:
        """Those of these names, or all."""
        wanted = None if names is None else {names} if isinstance(names, str) else set(names)
        waiting = list(self._pushed.values())
        return [task for task in waiting if wanted is None or task.label() in wanted]

    def wait(self, until: str = "all", timeout: float | None = None) -> bool:
        """Until ``all`` pushed tasks are resolved, or ``one`` can be popped. Whether it is so."""
        if until not in ("all", "one"):
            raise UsageError(f"wait({until!r}): it is one of all, one")
        self._check()

        def is_so() -> bool:
            return bool(self._rows) if until == "one" and self._pushed else not self._pushed

        with self._changed:
            return self._changed.wait_for(is_so, timeout)

    def pop(self) -> Row | None:
        """The row of a task that is resolved; None when there is none."""
        try:
            task, result = self._rows.popleft()
        except IndexError:
            return None
        if task.name is not None and self._named.get(task.name) is task:
            del self._named[task.name]
        return row_of(task, result, self.settings.seed)

    def collect(self, wait: bool = True) -> list[Row]:
        """The rows of all tasks; waits for them, unless told not to."""
        if wait:
            self.wait("all")
        rows = iter(self.pop, None)
        return list(rows)

    def resolve(self, task: Task, result: Result) -> None:
        """Called by the pool: a pushed task is resolved."""
        with self._changed:
            if self._pushed.pop(task.number, None) is None:
                return  # its turn was interrupted, and made again
            self._rows.append((task, result))
            self._resolved += 1
            if len(self._rows) <= 1 or not self._pushed:  # else nobody that waits would be content
                self._changed.notify_all()
        for listener in self._listeners:
            listener()

    def has_row(self) -> bool:
        """Whether ``pop`` would return one."""
        return bool(self._rows)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """``listener`` is called for each pushed task that is resolved, from any thread; call what
        is returned to end that."""
        self._listeners = (*self._listeners, listener)

        def stop() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

        return stop

    def crashes(self, name: str) -> int:
        """How often the task of that name, not popped yet, has crashed."""
        waiting = [*self._pushed.values(), *(task for task, _ in list(self._rows))]
        return next((task.crashes for task in waiting if task.label() == name), 0)

    @property
    def size(self) -> int:
        """Tasks that were pushed and not popped."""
        return len(self._pushed) + len(self._rows)

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
