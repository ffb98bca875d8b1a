"""Who makes a pool's turns: its thread, or for a moment whoever waits for a result.

Who waits is woken by the network itself and not by the thread, which saves half of a round trip.
While somebody does so the thread stands back: it only looks now and then whether it is needed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import select
import threading
import time
from collections.abc import Callable

from ..words.errors import HpcbatchError, PoolClosed, PoolError
from ..worker import wire
from ..worker.wire import ERROR, Failure
from .broker import Broker
from .interrupts import PutOff
from .task import PoolTask, Result

log = logging.getLogger("hpcbatch.pool")

GOODBYE = 3.0  # seconds that workers have to go
HELP = 0.02  # seconds that somebody who waits makes the turns
TICK = 0.004  # seconds between two looks while the thread stands back, at least
SOON = 0.1  # seconds in which libzmq forgets a peer whose connection was cut


class EventLoop:
    """``scale`` is called with the number of tasks that are left, now and then and when workers
    came or went."""

    def __init__(self, broker: Broker, scale: Callable[[int], None]):
        self._broker, self._scale = broker, scale
        self._helping = threading.Lock()
        self._helper: int | None = None
        self._helped = 0.0
        self._closing = self._drains = self._has_ended = False
        self._drained = threading.Event()
        self._help_poll = select.poll()
        self._help_poll.register(broker.listening.fd, select.POLLIN)
        self._thread = threading.Thread(
            target=self._live, name=f"hpcbatch-{broker.name}", daemon=True
        )
        self._probe_at = 0.0
        self._failed: PoolError | None = None  # why the pool cannot go on

    def fail(self, why: PoolError) -> None:
        """From any thread: whoever waits is told."""
        self._failed = why
        self._broker.wake()

    def start(self) -> None:
        self._thread.start()

    def help(self, is_over: Callable[[], bool], timeout: float | None = None) -> None:
        """Make turns until ``is_over``, for a moment at most."""
        is_ours = False
        try:
            with PutOff():
                is_ours = not self._closing and self._helping.acquire(blocking=False)
            if not is_ours:
                return
            self._helper = threading.get_ident()
            now = time.monotonic()
            give_up = now + (HELP if timeout is None else min(HELP, timeout))
            while not is_over() and now < give_up and not self._closing:
                self._helped = now
                self._help_poll.poll((give_up - now) * 1000)
                while self._broker.turn() and not is_over() and time.monotonic() < give_up:
                    pass
                now = time.monotonic()
            self._helped = now
        finally:
            if is_ours:
                self._helper = None
                self._helping.release()
                if self._broker.live:
                    self._broker.wake()

    def is_own_thread(self) -> bool:
        """Whether the calling thread is in the middle of a turn: it was called by a task's sink."""
        return threading.get_ident() in (self._thread.ident, self._helper)

    def drain(self) -> None:
        """Until no task is left, or the pool has ended."""
        self._drained.clear()
        self._drains = True
        if not self._has_ended:
            self._broker.wake()
            self._drained.wait()

    def close(self) -> list[PoolTask]:
        """Send all workers away, and wait for them a little; returns the tasks that are left."""
        self._closing = True
        with self._helping:
            self._broker.wake()
        self._thread.join(GOODBYE + 2)
        return list(self._broker.live.values())

    def _live(self) -> None:
        try:
            self._run()
            self._say_goodbye()
        except BaseException as error:  # else whoever waits would wait for ever
            if isinstance(error, PoolClosed):
                log.warning("pool %s: %s", self._broker.name, error)
            else:
                log.exception("the pool %s has failed, and closes", self._broker.name)
                error = PoolError(f"the pool has failed: {error!r}")
            self._closing = True
            self._broker.refuse(str(error))
            failure = Failure(type(error).__name__, str(error), "", pickle.dumps(error))
            for task in list(self._broker.live.values()):
                task.sink.resolve(task, Result("error", ERROR, failure))
        finally:
            with self._helping:  # nobody is in the middle of a turn
                self._broker.close()
            self._has_ended = True
            self._drained.set()

    def _run(self) -> None:
        broker = self._broker
        told: set[int] = {broker.listening.key_check.fd, broker.listening.monitor_fd}
        while not self._closing:
            if self._failed:
                raise self._failed
            if broker.is_torn:
                broker.mend()
            if broker.listening.key_check.fd in told:
                broker.listening.key_check.answer()
            now = time.monotonic()
            count = len(broker.dispatch.workers)
            is_cut = broker.listening.monitor_fd in told and broker.listening.was_cut()
            is_due = now >= self._probe_at
            if is_cut or is_due:
                broker.tell_all(wire.PROBE)
                self._probe_at = now + (SOON if is_cut else broker.heartbeat)
            stands_back = now - self._helped < HELP
            more = broker.turn() if not stands_back or is_cut or is_due else False
            workers = len(broker.dispatch.workers)
            if is_due or not workers or count != workers:
                self._try_to_scale()
            if self._drains and not broker.live:
                self._drained.set()
            told = set()
            if not more and not (broker.has_work() and not stands_back):
                told = self._rest(stands_back)

    def _rest(self, stands_back: bool) -> set[int]:
        """Until something happens; returns where."""
        broker = self._broker
        poll = select.poll()
        for fd in (broker.wake_fd, broker.listening.monitor_fd, broker.listening.key_check.fd):
            poll.register(fd, select.POLLIN)
        now = time.monotonic()
        seconds = max(self._probe_at - now, 0.0)
        if stands_back:
            seconds = min(seconds, max(self._helped + HELP - now, TICK))
        else:
            poll.register(broker.listening.fd, select.POLLIN)
        told = {fd for fd, _ in poll.poll(seconds * 1000)}
        if broker.wake_fd in told:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(broker.wake_fd)
        return told

    def _try_to_scale(self) -> None:
        try:
            self._scale(len(self._broker.live))
        except (OSError, HpcbatchError) as error:
            log.warning("no more workers could be launched: %s", error)

    def _say_goodbye(self) -> None:
        broker = self._broker
        give_up = time.monotonic() + GOODBYE
        broker.say_goodbye()
        while broker.dispatch.workers and time.monotonic() < give_up:
            time.sleep(0.01)
            broker.tell_all(wire.PROBE)
            broker.turn()
