"""Takes what workers send, and sends them tasks: one socket and one dispatch, under one lock.

A *turn* takes what has come and hands out what waits. Turns are made by the pool's thread, and by
whoever submits a task while a worker has nothing to do, or waits for a result: a message that
changes threads costs more than a small task. As in the worker, whoever has sent looks whether
something came.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import zmq

from ..words.errors import PoolClosed
from ..worker import wire
from ..worker.link import has_message, receive_frames, send_frames
from .batches import pack_batch
from .dispatch import Dispatch, TaskBatch, Worker
from .interrupts import PutOff
from .listening_socket import ListeningSocket
from .receiver import Receiver
from .task import PoolTask, Result, crash

log = logging.getLogger("hpcbatch.pool")

MOST = 1000  # messages that one turn takes

Resolve = Callable[[PoolTask, Result], None]


class Broker:
    """``name`` is the controller's, ``pool`` the id of its pool. ``resolve`` is called without the
    lock, from any thread, for each task that is over; more than once for a task whose turn was
    interrupted."""

    def __init__(
        self,
        name: str,
        pool: str,
        dispatch: Dispatch,
        forgotten: deque[int],
        heartbeat: float,
        resolve: Resolve,
    ):
        self.name, self.pool, self.dispatch, self.heartbeat = name, pool, dispatch, heartbeat
        self.lock = threading.Lock()
        self.live = dispatch.live
        self.is_torn = False  # a turn was interrupted
        self._resolve, self._forgotten = resolve, forgotten
        self._wake_lock = threading.RLock()  # a signal handler may come in between
        self._inbox: deque[PoolTask] = deque()
        self._over: list[tuple[PoolTask, Result]] = []
        self._gone: list[Worker] = []
        self._has_idle = self._is_closing = False
        self._refused = f"the pool {name} has closed: it takes no more tasks"
        self.wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.listening = ListeningSocket(heartbeat)
        self._router = self.listening.router
        self._receiver = Receiver(name, dispatch, self.send, self._lose, self._over)

    def submit(self, task: PoolTask) -> None:
        """Raises PoolClosed."""
        self._check_open()
        self.live[task.number] = task
        self._inbox.append(task)
        if self._is_closing:  # meanwhile: whoever closes it may have taken what was left already
            self.live.pop(task.number, None)
            self._check_open()
        if self._has_idle:
            self._hurry()
        elif not self.dispatch.workers:
            self.wake()

    def _check_open(self) -> None:
        if self._is_closing:
            raise PoolClosed(self._refused)

    def wake(self) -> None:
        with self._wake_lock:
            if self.wake_fd >= 0:
                os.eventfd_write(self.wake_fd, 1)

    def has_work(self) -> bool:
        """Whether something waits that could be handed out."""
        return bool(self._inbox) and self._has_idle

    def turn(self) -> bool:
        """Take what has come, and hand out what waits; whether there is more already."""
        with PutOff():
            more, over = self._exchange()
            try:
                while over:
                    task, result = over[0]
                    self._resolve(task, result)
                    if self.live.get(task.number) is task:  # a piece of it has its number
                        del self.live[task.number]
                    over.popleft()
            except BaseException:
                with self.lock:
                    self._over[:0] = over  # for the next turn
                self.wake()
                raise
        return more

    def _exchange(self) -> tuple[bool, deque[tuple[PoolTask, Result]]]:
        """Whether there is more already; and what is over."""
        try:
            with self.lock:
                gone, self._gone = self._gone, []
                more = self._receive()
                if more:
                    self._gone += gone
                else:
                    for worker in gone:
                        self._lose(worker)
                has_sent = self._hand_out()
                over = deque(self._over)
                self._over.clear()
                return more or (has_sent and has_message(self._router)), over
        except BaseException:
            self.is_torn = True
            raise

    def tell_all(self, kind: bytes) -> None:
        """Whose connection is gone is lost then: nothing else tells which it was."""
        with self.lock:
            for worker in list(self.dispatch.workers.values()):
                self.send(worker, kind, b"")

    def refuse(self, why: str = "") -> None:
        """Take no more tasks."""
        self._refused = why or self._refused
        self._is_closing = True

    def say_goodbye(self) -> None:
        """Workers are expected to go."""
        self.refuse()
        self.tell_all(wire.BYE)

    def mend(self) -> None:
        """After a turn that was interrupted, where nobody knows what was sent: all workers go, and
        every task that is not resolved is handed out again."""
        with self.lock:
            self.is_torn = False
            for worker in list(self.dispatch.workers.values()):
                self.send(worker, wire.BYE, b"")
            self._inbox.clear()
            self._over.clear()
            self._gone.clear()
            self.dispatch.begin_again(list(self.live.values()))

    def close(self) -> None:
        """From the pool's thread, when nobody else uses it any more."""
        with self.lock:
            self._has_idle = False
            self.listening.close()
            with self._wake_lock:
                os.close(self.wake_fd)
                self.wake_fd = -1

    def send(self, worker: Worker, kind: bytes, body: bytes, parts: Sequence[Any] = ()) -> bool:
        """With the lock. False where the worker is gone: it is lost once all that it had said
        before is taken."""
        try:
            send_frames(self._router, (worker.key, kind + body), parts)
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            if worker.key in self.dispatch.workers:
                self.dispatch.close(worker.key)
                self._gone.append(worker)
            return False
        return True

    def _hurry(self) -> None:
        """Hand out now what was submitted."""
        with PutOff():
            if not self.lock.acquire(blocking=False):
                self.wake()
                return
            try:
                self._hand_out()
                is_done = not has_message(self._router) and not self._over and not self._gone
            except BaseException:
                self.is_torn = True
                self.wake()
                raise
            finally:
                self.lock.release()
            if not is_done or self.has_work():
                self.wake()

    def _receive(self) -> bool:
        """Whether there may be more."""
        router = self._router
        for _ in range(MOST):
            if not has_message(router):
                return False
            key = router.recv()
            self._receiver.take(key, receive_frames(router))
        return True

    def _hand_out(self) -> bool:
        """Whether anything was sent."""
        inbox, dispatch = self._inbox, self.dispatch
        if inbox:
            dispatch.add([inbox.popleft() for _ in range(len(inbox))])
        if self._forgotten:
            gone = [self._forgotten.popleft() for _ in range(len(self._forgotten))]
            dispatch.forget(gone)
        batches = dispatch.assign(time.monotonic())
        for batch in batches:
            self._send_tasks(batch)
        self._has_idle = dispatch.has_idle
        return bool(batches)

    def _send_tasks(self, batch: TaskBatch) -> None:
        body, parts = pack_batch(batch)
        self.send(batch.worker, wire.TASKS, body, parts)

    def _lose(self, worker: Worker) -> None:
        if worker.key not in self.dispatch.workers:
            return
        tell = log.info if self._is_closing else log.warning
        tell("worker %s of %s is lost", worker.name, worker.about.get("host"))
        of_one = worker.name.rpartition(".")[0]  # of a worker whose launcher counts them
        command = " ".join(filter(None, ["hpcbatch pool logs", self.pool, of_one]))
        for task in self.dispatch.lose(worker.key):
            told = (
                f"its worker was lost {task.crashes} times while it ran, the last was "
                f"{worker.name}: {command} tells what it printed"
            )
            self._over.append((task, crash(told, worker.name, self.name)))
