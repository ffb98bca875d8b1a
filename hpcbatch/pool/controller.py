"""What a user holds of a pool: tasks in, rows and futures out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from typing import Any

from ..words.errors import InputError, UsageError
from ..words.extras import needs
from ..words.text import counted
from .check import Check
from .dispatch import Dispatch
from .display import Displayed
from .future import PoolFuture
from .lifecycle import Lifecycle
from .mapping import Map, columns_of
from .pushed import Pushed
from .sent_functions import Function
from .settings import PoolSettings
from .summary import Summary
from .task import PoolTask, Result
from .task_factory import TaskFactory

with needs("a pool", "pool"):
    from .open_pool import OpenPool


class Controller(Lifecycle, Pushed, Displayed, Executor):
    """Keeps ``workers`` alive on ``cluster`` and feeds them with calls.

    It starts when it is entered, or with the first task. Tasks that were pushed come back as
    rows, by ``pop`` and ``collect``; those that were submitted as futures; ``map`` waits for
    its values. A task whose worker is lost is tried again, up to ``crashes_max`` times; then it
    goes to ``backup``, another controller, or is a row with the status ``crash``.

    ``settings`` are those of ``pool.settings.PoolSettings``, such as ``resources``, ``max_tasks``,
    ``walltime`` and ``idle`` (seconds, or as "2h"), ``seconds_launch`` (seconds), ``host``,
    ``interface``, ``port``, ``launcher``, ``site``. Raises ConfigError, ResourceError, UsageError.
    """

    def __init__(
        self,
        cluster: str = "local",
        workers: int = 1,
        *,
        name: str | None = None,
        crashes_max: int = 5,
        backup: Controller | None = None,
        **settings: Any,
    ):
        self.name = name or cluster
        self.workers, self.backup = workers, backup
        self.settings = PoolSettings.of(cluster, workers, settings)
        if not isinstance(crashes_max, int) or isinstance(crashes_max, bool) or crashes_max < 0:
            raise UsageError(f"crashes_max={crashes_max!r} is no whole number from 0 up")
        if not isinstance(backup, Controller | None):
            raise UsageError(f"backup={backup!r} is no Controller")
        self._dispatch = Dispatch(crashes_max)
        self._factory = TaskFactory()
        Lifecycle.__init__(self)
        Pushed.__init__(self)

    def __repr__(self) -> str:
        kind = type(self).__name__
        return (
            f"<{kind} {self.name}: {counted(self.workers, 'worker')}, {self.unresolved} unresolved>"
        )

    def __enter__(self) -> Controller:
        self.start()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)

    def push(
        self,
        function: Callable[..., Any],
        /,
        *args: Any,
        name: str | None = None,
        seed: int | None = None,
        const: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> str:
        """Queue a call, and return its name at once. ``const`` are further arguments by name,
        which are sent to each worker once: give a changed one as another object, since what was
        changed in place is not looked at again. Raises InputError, PoolClosed, and what ``start``
        does."""
        found = self._factory.function(function, const)
        return self._push(found, args, kwargs, seed, name)

    def _push(
        self,
        found: Function,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        seed: int | None = None,
        name: str | None = None,
    ) -> str:
        task = self._factory.task(found, args, kwargs, self, seed, name)
        broker = self._broker()
        try:
            self.keep(task)
            broker.submit(task)
        except BaseException:  # it has closed, or Ctrl-C: nobody was told of a task
            self._drop([task])
            self.withdraw(task)
            raise
        return task.label()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> PoolFuture:
        """Queue a call; its future can also be awaited. Raises what ``push`` does."""
        future = PoolFuture()
        task = self._factory.task(self._factory.function(fn), args, kwargs, future)
        broker = self._broker()
        future._task, future._owner = task, self
        try:
            broker.submit(task)
        except BaseException:
            self._drop([task])
            raise
        return future

    def forget(self, fn: Callable[..., Any]) -> None:
        """Keep nothing of a function that is not submitted again, here and on the workers."""
        self._factory.functions.forget(fn)

    def map(  # type: ignore[override]
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
        const: Mapping[str, Any] | None = None,
        on_error: str = "raise",
    ) -> list[Any]:
        """The values of all calls, in their order; as many as the shortest of the ``iterables``
        has. ``on_error``: ``raise`` the first exception, with the number of its item as a note,
        ``return`` exceptions in their places, or ``skip`` them. Chunks are chosen by what the calls
        take; ``chunksize`` is what an executor has, and is not needed. Each map and each walk looks
        at ``const`` anew. Raises UsageError, WaitTimeout after ``timeout`` seconds, and what
        ``push`` does."""
        if on_error not in ("raise", "return", "skip"):
            raise UsageError(f"on_error {on_error!r} is none of raise, return, skip")
        columns = columns_of(iterables)
        if not columns[0]:
            return []
        first = self._factory.reserve(len(columns[0]))
        found, broker = self._factory.function(fn, const, afresh=True), self._broker()
        mapping = Map(found, columns, broker.submit, lambda: self.workers, self._why_empty, first)
        try:
            mapping.run(timeout, on_error == "raise")
        finally:
            self._drop([task for task in list(broker.live.values()) if task.sink is mapping])
        return mapping.collected(on_error)

    def walk(
        self,
        function: Callable[..., Any],
        /,
        *iterables: Iterable[Any],
        const: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Push a call for each input; their rows come by ``collect``. Raises what ``push`` does;
        those before an input that cannot be sent are pushed."""
        found = self._factory.function(function, const, afresh=True)
        names: list[str] = []
        for item in zip(*columns_of(iterables), strict=True):
            try:
                names.append(self._push(found, item, {}))
            except InputError as error:
                raise InputError(f"item {len(names)}: {error}") from error
        return names

    def cancel(self, names: str | Iterable[str] | None = None) -> list[str]:
        """Give up pushed tasks of these names, or all; returns the names of those that were not
        resolved. What a worker has begun goes on there, and its result is dropped; what ``backup``
        has taken over goes on, and its result counts."""
        self._check()
        dropped = self._drop(self.unresolved_of(names))
        for task in dropped:
            self.resolve(task, Result("canceled", controller=self.name))
        return [task.label() for task in dropped]

    def summary(self) -> Summary:
        """What each worker that is here has done; its ``launches`` tell of those to come."""
        self._check()
        return Summary() if self._running is None else self._running.summary()

    def check(self, timeout: float = 60.0) -> Check:
        """Launch one worker, and say where it fails to come within ``timeout`` seconds, if it does:
        at the launch, the start, an address, the port, the keys, or the versions. Raises
        LaunchError, UsageError for a controller without workers."""
        return self._opened().check(timeout)

    def scale(self) -> int:
        """Launch now the workers that the tasks want, also where launching pauses; how many."""
        return self._opened().launching.scale()

    def autoscale(self) -> None:
        """Launch workers as they are wanted, which is so from the beginning; see ``descale``."""
        self._opened().launching.is_automatic = True

    def descale(self) -> None:
        """Launch no workers but by ``scale``."""
        self._opened().launching.is_automatic = False

    def _why_empty(self) -> str:
        return self._running.why_empty() if isinstance(self._running, OpenPool) else ""

    def _opened(self) -> OpenPool:
        self._broker()
        if not isinstance(self._running, OpenPool):
            raise UsageError(f"the controller {self.name} has no workers: it runs tasks itself")
        return self._running

    def _open(self) -> Any:
        forgotten = self._factory.functions.forgotten
        return OpenPool(self.name, self.settings, self._dispatch, forgotten, self._take)

    def _take(self, task: PoolTask, result: Result) -> None:
        """A task is over here; ``backup`` has another try where it crashed too often."""
        if result.status == "crash" and self.backup is not None and not self._is_closed:
            self.backup.adopt(task)
        else:
            task.sink.resolve(task, result)

    def adopt(self, task: PoolTask) -> None:
        """Run a task of another controller; its result goes where it was expected."""
        self._broker().submit(self._factory.adopt(task))

    def cancel_waiting(self, task: PoolTask) -> bool:
        """Cancel a task that no worker has; whether it is canceled."""
        if self._running is None or self._pid != os.getpid():
            return False
        with self._running.broker.lock:
            if task.is_out or task.is_over:
                return False
            self._dispatch.drop(task)
            self._running.broker.live.pop(task.number, None)
        task.sink.resolve(task, Result("canceled", controller=self.name))
        return True

    def _drop(self, tasks: Iterable[PoolTask]) -> list[PoolTask]:
        if self._running is None:
            return []
        with self._running.broker.lock:
            dropped = [task for task in tasks if not task.is_over]
            for task in dropped:
                self._dispatch.drop(task)
                self._running.broker.live.pop(task.number, None)
        return dropped
