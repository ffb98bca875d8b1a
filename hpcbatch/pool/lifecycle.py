"""How a controller opens its pool, once, and closes it, once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from ..words.errors import PoolClosed
from .task import Result


class Lifecycle:
    """The pool is this process's; ``_running`` is None until it is open."""

    name: str

    def __init__(self) -> None:
        self._running: Any = None
        self._starting = threading.Lock()
        self._is_closed = self._ends = False
        self._pid = os.getpid()

    def _open(self) -> Any:
        raise NotImplementedError

    def start(self) -> None:
        """Open the pool's door and launch its workers; nothing where it is open already. Raises
        RegistryUnsafe, RegistryUnwritable, ConfigError, UsageError where it cannot listen, and for
        a site elsewhere SiteError."""
        self._broker()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Close the pool: with ``wait`` when all tasks are resolved. Rows can still be popped. From
        a callback of a future it returns at once, and the pool closes behind it."""
        if self._pid != os.getpid() or self._is_closed:
            return
        drains = wait and not cancel_futures
        if self._running is not None and self._running.loop.is_own_thread():
            self._is_closed = not drains
            threading.Thread(target=self._close, args=(drains,), name="hpcbatch-close").start()
        else:
            self._close(drains)

    def terminate(self) -> None:
        """Close the pool now; what is not resolved is canceled."""
        self.shutdown(wait=False, cancel_futures=True)

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def help(self, is_over: Callable[[], bool], timeout: float | None = None) -> None:
        """Who waits does the pool's work for a moment, until ``is_over``."""
        self._check()
        if self._running is not None:
            self._running.loop.help(is_over, timeout)

    def _check(self) -> None:
        """Raises PoolClosed in a process that was forked."""
        if self._pid != os.getpid():
            raise PoolClosed(
                f"the pool {self.name} belongs to process {self._pid}, and this is one that was "
                "forked from it: make a Controller here"
            )

    def _broker(self) -> Any:
        """Of the open pool. Raises PoolClosed, and what ``start`` does."""
        running = self._running
        if running is not None and not self._is_closed and self._pid == os.getpid():
            return running.broker
        self._check()
        with self._starting:
            if self._is_closed:
                raise PoolClosed(f"the pool {self.name} has closed: it takes no more tasks")
            if self._running is None:
                self._running = self._open()
        return self._running.broker

    def _close(self, drains: bool) -> None:
        with self._starting:  # it may just be opening
            running = self._running
            if running is None:
                self._is_closed = True
        if running is not None and drains:
            running.drain()
        with self._starting:
            if self._ends:
                return
            self._ends = self._is_closed = True
        for task in running.close() if running is not None else ():
            task.sink.resolve(task, Result("canceled", controller=self.name))
