"""A worker at work: the main thread calls, and another attends to the controller while a call
takes long.

While tasks are short the main thread does it all: a message that changes threads costs more than
such a task.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from typing import Any, NoReturn

from ..words.door import Door
from . import wire
from .calls import TaskCalls
from .exchange import Exchange
from .link import Link
from .received_functions import ReceivedFunctions
from .wire import Dispatched

TICK = 0.02  # seconds after which a task is no longer short
LONG = 0.1  # seconds after which nothing waits behind a task
RESTING = 10  # such times without a task, after which the other thread sleeps
FLUSH = 0.005  # seconds of work whose results are kept together
SPENT = 5e-6  # seconds that a task costs beside its function
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


class Loop:
    def __init__(self, door: Door, link: Link, calls: TaskCalls, functions: ReceivedFunctions):
        self._door, self._link, self._calls = door, link, calls
        self._exchange = Exchange(link, functions)
        self._running: Dispatched | None = None
        self._began = self._rested = time.monotonic()
        self._started = time.monotonic()
        self._attends = False  # whether the other thread is awake
        self._left = door.max_tasks
        self._pid = os.getpid()
        self._watcher = threading.Thread(target=self._watch, name="hpcbatch-link", daemon=True)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._asked, asks = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(asks, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, _noted)

    def run(self) -> NoReturn:
        self._watcher.start()
        spent = 0.0
        while True:
            try:
                dispatched, parts = self._exchange.queue.popleft()
            except IndexError:
                self._rest()
                spent = 0.0
                continue
            large: list[memoryview] = []
            self._began = time.monotonic()
            self._running = dispatched
            if not self._attends:
                self._attends = True
                os.eventfd_write(self._wake, 1)
            outcome = self._calls.run(dispatched, parts, large)
            if os.getpid() != self._pid:
                os._exit(0)  # the task forked, and this is its child coming back
            self._running = None
            self._exchange.outcomes.append((outcome, large))
            spent += outcome.seconds + SPENT
            if self._left is not None:
                self._left -= 1
                if self._left <= 0:
                    self.leave("max_tasks")
            if spent > FLUSH or large:
                spent = 0.0
                self._exchange.turn()

    def leave(self, reason: str, status: int = 0) -> NoReturn:
        """End this process, in the middle of a task if there is one."""
        self._exchange.leave(reason, self._running, status)

    def _rest(self) -> None:
        """Nothing is queued: tell what is done, and wait."""
        self._rested = time.monotonic()
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
        self._exchange.rests = True
        self._exchange.turn()
        while not self._exchange.queue:
            seconds = self._seconds_to_rest()
            poll = select.poll()
            for fd in (*self._link.filenos(), self._exchange.nudge):
                poll.register(fd, select.POLLIN)
            for fd, _ in poll.poll(max(seconds, 0.0) * 1000):
                if fd == self._exchange.nudge:
                    os.eventfd_read(fd)
            self._exchange.turn()
        self._exchange.rests = False

    def _seconds_to_rest(self) -> float:
        """Raises nothing, but ends the process when it has rested for long enough."""
        now = time.monotonic()
        left = self._link.seconds()
        if self._exchange.retires:
            self.leave("asked")
        if self._door.idle is not None:
            if now - self._rested >= self._door.idle:
                self.leave("idle")
            left = min(left, self._rested + self._door.idle - now)
        if self._door.walltime is not None:
            if now - self._started >= self._door.walltime:
                self.leave(wire.WALLTIME)
            left = min(left, self._started + self._door.walltime - now)
        return left

    def _watch(self) -> None:
        """The other thread: asleep while nothing runs."""
        poll = select.poll()
        poll.register(self._asked, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        resting = 0
        while True:
            before = self._running
            resting = resting + 1 if before is None else 0
            self._attends = resting < RESTING
            sleeps = not self._attends and self._running is None
            for fd, _ in poll.poll(None if sleeps else TICK * 1000):
                if fd == self._asked:
                    self.leave(f"signal {os.read(self._asked, 1)[0]}", 0)
                os.eventfd_read(self._wake)
                resting = 0
            self._attends = True
            if before is not None and self._running is before:
                self._attend(before)

    def _attend(self, dispatched: Dispatched) -> None:
        """To the controller, while a task takes long."""
        self._exchange.tell_busy(dispatched, [])
        has_returned = False
        while self._running is dispatched:
            now = time.monotonic()
            if not has_returned and now - self._began > LONG:
                has_returned = True
            if has_returned and self._exchange.queue:
                self._exchange.tell_busy(dispatched, self._exchange.take_back())
            if self._door.walltime is not None and now - self._started > self._door.walltime:
                self.leave(wire.WALLTIME)
            seconds = min(self._link.seconds(), 1.0) if has_returned else TICK
            poll = select.poll()
            for fd in (*self._link.filenos(), self._asked):
                poll.register(fd, select.POLLIN)
            for fd, _ in poll.poll(seconds * 1000):
                if fd == self._asked:
                    self.leave(f"signal {os.read(self._asked, 1)[0]}", 0)
            self._exchange.turn()


def _noted(number: int, frame: Any) -> None:
    """The other thread hears of it through a file descriptor, whatever this one does."""
