"""What a worker's two threads and its controller pass on: orders that wait, outcomes to tell.

All is guarded by one lock. Whoever has sent also receives before it polls, until nothing comes:
libzmq may take the news of a message while it sends, and nobody who polls would hear of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, NoReturn

from ..runner.descendants import end_descendants
from . import wire
from .link import Link, Message
from .received_functions import ReceivedFunctions
from .wire import Dispatched, TaskOutcome


class Exchange:
    """``rests`` is set by the main thread while it waits, or is about to."""

    def __init__(self, link: Link, functions: ReceivedFunctions):
        self.link, self._functions = link, functions
        self.queue: deque[tuple[Dispatched, Sequence[Any]]] = deque()
        self.outcomes: deque[tuple[TaskOutcome, list[memoryview]]] = deque()
        self.rests = self.retires = False
        self.nudge = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.RLock()
        self._main = threading.current_thread()

    def turn(self) -> None:
        """Tell what is done, and take what has come."""
        with self._lock:
            self._send_outcomes()
            self._receive()

    def tell_busy(self, dispatched: Dispatched, returned: Sequence[int]) -> None:
        """``dispatched`` takes long; those of the dispatches ``returned`` are given back."""
        with self._lock:
            self._send_outcomes()
            self.link.send(wire.BUSY, wire.body((dispatched.dispatch, returned)))
            self._receive()

    def take_back(self) -> list[int]:
        """The dispatches that waited, which no longer do."""
        returned = []
        with contextlib.suppress(IndexError):
            while True:
                returned.append(self.queue.popleft()[0].dispatch)
        return returned

    def leave(self, reason: str, running: Dispatched | None, status: int) -> NoReturn:
        """End this process; what is queued goes back."""
        with self._lock:
            self._send_outcomes()
            held = [] if running is None else [running.dispatch]
            self.link.send(wire.LEAVING, wire.body((reason, held)))
            print(f"hpcbatch: worker leaves: {reason}", file=sys.stderr)
            with contextlib.suppress(Exception):  # nothing may keep it
                self.link.close()
            _end(status)

    def _receive(self) -> None:
        """The main thread, where it rests, begins with a task as soon as one has come, and takes
        the rest after it. What the other thread takes while the main one is about to wait, that
        must be told of: the network does not tell it again."""
        is_main = threading.current_thread() is self._main
        has_come = False
        while not (is_main and self.rests and self.queue):
            message = self.link.receive()
            if message is None:
                break
            self._take(message)
            has_come = True
        if has_come and self.rests and not is_main:
            os.eventfd_write(self.nudge, 1)
        if not has_come and self.link.is_gone():
            print("hpcbatch: worker leaves: the controller is gone", file=sys.stderr)
            _end(1)

    def _send_outcomes(self) -> None:
        told: list[TaskOutcome] = []
        parts: list[memoryview] = []
        while self.outcomes:
            outcome, large = self.outcomes.popleft()
            if large:
                value = wire.moved(outcome.how, outcome.value, len(parts))
                outcome = outcome._replace(value=value)
                parts += large
            told.append(outcome)
        if told:
            plain = [tuple(outcome) for outcome in told]
            self.link.send(wire.RESULTS, wire.body(plain), parts)

    def _take(self, message: Message) -> None:
        kind, body, parts = message
        if kind == wire.TASKS:
            self._take_tasks(body, parts)
        elif kind == wire.WELCOME:  # what came by an old connection was given to others
            self.queue.clear()
            self.outcomes.clear()
        elif kind == wire.RETIRE:
            self.retires = True
        elif kind == wire.BYE:
            print("hpcbatch: worker leaves: the controller has closed", file=sys.stderr)
            _end(0)
        elif kind == wire.REFUSED:
            print(f"hpcbatch: the controller refuses: {json.loads(body)}", file=sys.stderr)
            _end(78)

    def _take_tasks(self, body: bytes, parts: Sequence[Any]) -> None:
        functions, forgotten, orders = pickle.loads(body)
        for number in forgotten:
            self._functions.forget(number)
        for number, how, content in functions:
            self._functions.take(number, _whole(how, content, parts))
        for fields in orders:
            dispatched = Dispatched(*fields)
            value, own = wire.own_parts(dispatched.how, dispatched.payload, parts)
            self.queue.append((dispatched._replace(payload=value) if own else dispatched, own))


def _whole(how: int, content: Any, parts: Sequence[Any]) -> Any:
    """A pickled function, which may lie in parts."""
    if how != wire.PARTED:
        return content
    at, sizes = content
    count = -(-sizes[0] // wire.PIECE)
    return b"".join(bytes(piece) for piece in parts[at : at + count])


def _end(status: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    end_descendants()
    os._exit(status)
