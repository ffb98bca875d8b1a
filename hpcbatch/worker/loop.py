"""A worker at work: the main thread calls, and another attends to the controller while a call
takes long.

While tasks are short the main thread does it all: a message that changes threads costs more than
such a task. What both may touch of the link is guarded by one lock. Whoever has sent also
receives before it lets the lock go: libzmq may take the news of a message while it sends, and
nobody who polls would hear of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NoReturn

from ..runner.descendants import end_descendants
from ..words.door import Door
from . import wire
from .calls import Calls
from .functions import Functions
from .link import Link, Message
from .wire import Order, Outcome

TICK = 0.02  # seconds after which a task is no longer short
LONG = 0.1  # seconds after which nothing waits behind a task
RESTING = 10  # such times without a task, after which the other thread sleeps
FLUSH = 0.005  # seconds of work whose results are kept together
SPENT = 5e-6  # seconds that a task costs beside its function
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


class Loop:
    def __init__(self, door: Door, link: Link, calls: Calls, functions: Functions):
        self._door, self._link, self._calls, self._functions = door, link, calls, functions
        self._lock = threading.RLock()
        self._queue: deque[tuple[Order, Sequence[Any]]] = deque()
        self._outcomes: deque[tuple[Outcome, list[memoryview]]] = deque()
        self._running: Order | None = None
        self._began = self._rested = time.monotonic()
        self._started = time.monotonic()
        self._attends = False  # whether the other thread is awake
        self._rests = False  # whether this one waits, or is about to
        self._retires = False
        self._left = door.max_tasks
        self._pid = os.getpid()
        self._watcher = threading.Thread(target=self._watch, name="hpcbatch-link", daemon=True)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._nudge = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._asked, asks = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(asks, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, _noted)

    def run(self) -> NoReturn:
        self._watcher.start()
        spent = 0.0
        while True:
            try:
                order, parts = self._queue.popleft()
            except IndexError:
                self._rest()
                spent = 0.0
                continue
            large: list[memoryview] = []
            self._began = time.monotonic()
            self._running = order
            if not self._attends:
                self._attends = True
                os.eventfd_write(self._wake, 1)
            outcome = self._calls.run(order, parts, large)
            if os.getpid() != self._pid:
                os._exit(0)  # the task forked, and this is its child coming back
            self._running = None
            self._outcomes.append((outcome, large))
            spent += outcome.seconds + SPENT
            if self._left is not None:
                self._left -= 1
                if self._left <= 0:
                    self.leave("max_tasks")
            if spent > FLUSH or large:
                spent = 0.0
                self._exchange()

    def leave(self, reason: str, status: int = 0) -> NoReturn:
        """End this process, in the middle of a task if there is one: what is queued goes back."""
        with self._lock:
            self._send_outcomes()
            running = self._running
            held = [] if running is None else [running.dispatch]
            self._link.send(wire.LEAVING, wire.body((reason, held)))
            print(f"hpcbatch: worker leaves: {reason}", file=sys.stderr)
            with contextlib.suppress(Exception):  # nothing may keep it
                self._link.close()
            self._end(status)

    def _end(self, status: int) -> NoReturn:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        end_descendants()
        os._exit(status)

    def _rest(self) -> None:
        """Nothing is queued: tell what is done, and wait."""
        self._rested = time.monotonic()
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
        self._rests = True
        self._exchange()
        while not self._queue:
            seconds = self._seconds_to_rest()
            poll = select.poll()
            for fd in (*self._link.filenos(), self._nudge):
                poll.register(fd, select.POLLIN)
            for fd, _ in poll.poll(max(seconds, 0.0) * 1000):
                if fd == self._nudge:
                    os.eventfd_read(fd)
            self._exchange()
        self._rests = False

    def _seconds_to_rest(self) -> float:
        """Raises nothing, but ends the process when it has rested for long enough."""
        now = time.monotonic()
        left = self._link.seconds()
        if self._retires:
            self.leave("asked")
        if self._door.idle is not None:
            if now - self._rested >= self._door.idle:
                self.leave("idle")
            left = min(left, self._rested + self._door.idle - now)
        if self._door.walltime is not None:
            if now - self._started >= self._door.walltime:
                self.leave("walltime")
            left = min(left, self._started + self._door.walltime - now)
        return left

    def _exchange(self) -> None:
        """Tell what is done, and take what has come."""
        with self._lock:
            self._send_outcomes()
            self._receive()

    def _receive(self) -> None:
        """Who rests begins with a task as soon as one has come, and takes the rest after it. What
        the other thread takes while this one is about to wait, this one must be told of: the
        network does not tell it again."""
        is_watcher = threading.current_thread() is self._watcher
        has_come = False
        while is_watcher or not (self._rests and self._queue):
            message = self._link.receive()
            if message is None:
                break
            self._take(message)
            has_come = True
        if has_come and self._rests and is_watcher:
            os.eventfd_write(self._nudge, 1)
        if not has_come and self._link.is_gone():
            self._leave_alone()

    def _send_outcomes(self) -> None:
        told: list[Outcome] = []
        parts: list[memoryview] = []
        while self._outcomes:
            outcome, large = self._outcomes.popleft()
            if large:
                value = wire.moved(outcome.how, outcome.value, len(parts))
                outcome = outcome._replace(value=value)
                parts += large
            told.append(outcome)
        if told:
            plain = [tuple(outcome) for outcome in told]
            self._link.send(wire.RESULTS, wire.body(plain), parts)

    def _take(self, message: Message) -> None:
        kind, body, parts = message
        if kind == wire.TASKS:
            functions, forgotten, orders = pickle.loads(body)
            for number in forgotten:
                self._functions.forget(number)
            for number, how, content in functions:
                self._functions.take(number, _whole(how, content, parts))
            for fields in orders:
                order = Order(*fields)
                value, own = wire.own_parts(order.how, order.payload, parts)
                self._queue.append((order._replace(payload=value) if own else order, own))
        elif kind == wire.WELCOME:
            self._drop_queue()
        elif kind == wire.RETIRE:
            self._retires = True
        elif kind == wire.BYE:
            print("hpcbatch: worker leaves: the controller has closed", file=sys.stderr)
            self._end(0)
        elif kind == wire.REFUSED:
            print(f"hpcbatch: the controller refuses: {json.loads(body)}", file=sys.stderr)
            self._end(78)

    def _drop_queue(self) -> None:
        """It is a new connection: what came by an old one was given to others."""
        self._queue.clear()
        self._outcomes.clear()

    def _leave_alone(self) -> NoReturn:
        print("hpcbatch: worker leaves: the controller is gone", file=sys.stderr)
        self._end(1)

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

    def _attend(self, order: Order) -> None:
        """To the controller, while a task takes long."""
        self._tell_busy(order, [])
        has_returned = False
        while self._running is order:
            now = time.monotonic()
            if not has_returned and now - self._began > LONG:
                has_returned = True
            if has_returned and self._queue:
                self._tell_busy(order, self._take_back())
            if self._door.walltime is not None and now - self._started > self._door.walltime:
                self.leave("walltime")
            seconds = min(self._link.seconds(), 1.0) if has_returned else TICK
            poll = select.poll()
            for fd in (*self._link.filenos(), self._asked):
                poll.register(fd, select.POLLIN)
            for fd, _ in poll.poll(seconds * 1000):
                if fd == self._asked:
                    self.leave(f"signal {os.read(self._asked, 1)[0]}", 0)
            self._exchange()

    def _tell_busy(self, order: Order, returned: list[int]) -> None:
        with self._lock:
            self._send_outcomes()
            self._link.send(wire.BUSY, wire.body((order.dispatch, returned)))
            self._receive()

    def _take_back(self) -> list[int]:
        returned = []
        with contextlib.suppress(IndexError):
            while True:
                returned.append(self._queue.popleft()[0].dispatch)
        return returned


def _whole(how: int, content: Any, parts: Sequence[Any]) -> Any:
    """A pickled function, which may lie in parts."""
    if how != wire.PARTED:
        return content
    at, sizes = content
    count = -(-sizes[0] // wire.PIECE)
    return b"".join(bytes(piece) for piece in parts[at : at + count])


def _noted(number: int, frame: Any) -> None:
    """The other thread hears of it through a file descriptor, whatever this one does."""
