"""Futures of a pool: those of ``concurrent.futures``, and awaitable.

A standard future makes a condition with its locks, about 2 KB and as much time as a task takes
in all. Here it is made when somebody waits. Who sets a result first stores it and then looks for
a condition; who waits first makes the condition and then looks for a result.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future
from typing import Any, Protocol

from ..worker import wire
from .result_values import exception_of, value_of
from .task import PoolTask, Result

_making = threading.Lock()
_FINISHED, _CANCELLED = "FINISHED", "CANCELLED_AND_NOTIFIED"


class Owner(Protocol):
    """Whoever runs a future's task."""

    def cancel_waiting(self, task: PoolTask) -> bool: ...

    def help(self, is_over: Callable[[], bool], timeout: float | None = None) -> None: ...


class PoolFuture(Future):  # type: ignore[type-arg]
    """Its value is unpickled by whoever asks for it first. ``seconds`` is what the call took, once
    that was done."""

    seconds = 0.0
    _state = "PENDING"
    _exception: BaseException | None = None
    _result: Any = None
    _came: Result | None = None
    _made: threading.Condition | None = None
    _task: PoolTask
    _owner: Owner

    def __init__(self) -> None:
        pass

    @property
    def _condition(self) -> threading.Condition:  # type: ignore[override]
        if self._made is None:
            with _making:
                if self._made is None:
                    self._waiters: list[Any] = []
                    self._done_callbacks: list[Any] = []
                    self._made = threading.Condition()
        return self._made

    def resolve(self, task: PoolTask, result: Result) -> None:
        """Called by the pool; the first time counts."""
        if self._state != "PENDING":
            return
        self.seconds = result.seconds
        self._came = result
        self._state = _CANCELLED if result.status == "canceled" else _FINISHED
        if self._made is not None:
            with self._made:
                for waiter in self._waiters:
                    if result.status == "canceled":
                        waiter.add_cancelled(self)
                    elif result.how == wire.ERROR:
                        waiter.add_exception(self)
                    else:
                        waiter.add_result(self)
                self._made.notify_all()
            self._invoke_callbacks()  # type: ignore[attr-defined]
            self._done_callbacks.clear()  # a future and its task hold each other for a while

    def cancel(self) -> bool:
        """Whether it is canceled; one that may be running is not."""
        if self._state == _FINISHED:
            return False
        return self._state == _CANCELLED or self._owner.cancel_waiting(self._task)

    def result(self, timeout: float | None = None) -> Any:
        self._wait(timeout)
        self._open()
        if self._exception is not None:
            try:
                raise self._exception
            finally:
                self = None  # type: ignore[assignment]  # break the cycle with the traceback
        return self._result

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._wait(timeout)
        self._open()
        return self._exception

    def __await__(self) -> Generator[Any, None, Any]:
        import asyncio

        return asyncio.wrap_future(self).__await__()

    def _wait(self, timeout: float | None) -> None:
        if self._state == "PENDING":
            self._owner.help(lambda: self._state != "PENDING", timeout)
        if self._state == "PENDING":
            super().exception(timeout)
        if self._state == _CANCELLED:
            raise CancelledError()

    def _open(self) -> None:
        came = self._came
        if came is None:
            return
        if came.how == wire.ERROR:
            self._exception = exception_of(wire.Failure(*came.value), came.status)
        else:
            try:
                self._result = value_of(came)
            except (Exception, SystemExit) as error:  # its classes are not here, or fail
                self._exception = error
        self._came = None  # after an interrupt it is still there
