"""The pool's door to the network: one socket that all workers dial in to, under one lock.

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
from socket import has_dualstack_ipv6
from typing import Any

import zmq

from ..words.errors import PoolClosed, UsageError
from ..worker import wire
from ..worker.link import has_message, receive_frames, send_frames, set_heartbeat
from ..worker.wire import ERROR, Failure
from .addresses import bracketed, is_ipv6
from .batches import pack_batch
from .dispatch import Batch, Dispatch, Worker
from .guard import Guard
from .interrupts import PutOff
from .receiver import Receiver
from .task import Result, Task

log = logging.getLogger("hpcbatch.pool")

_WATCHED = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
MOST = 1000  # messages that one turn takes

Resolve = Callable[[Task, Result], None]


class Broker:
    """``resolve`` is called without the lock, from any thread, for each task that is over; more
    than once for a task whose turn was interrupted."""

    def __init__(
        self,
        name: str,
        dispatch: Dispatch,
        forgotten: deque[int],
        heartbeat: float,
        resolve: Resolve,
    ):
        self.name, self.dispatch, self.heartbeat = name, dispatch, heartbeat
        self.lock = threading.Lock()
        self.live = dispatch.live
        self.is_torn = False  # a turn was interrupted
        self._resolve, self._forgotten = resolve, forgotten
        self._wake_lock = threading.RLock()  # a signal handler may come in between
        self._inbox: deque[Task] = deque()
        self._over: list[tuple[Task, Result]] = []
        self._gone: list[Worker] = []
        self._has_idle = self._is_closing = False
        self.wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.client_key, self.client_secret = zmq.curve_keypair()
        self.server_key, secret = zmq.curve_keypair()
        self._context = zmq.Context(io_threads=1)
        self.guard = Guard(self._context, self.client_key)
        self._router: Any = self._context.socket(zmq.ROUTER)
        self._router.router_mandatory = True
        self._router.linger = 0
        self._router.backlog = 1024  # all workers of an array come at once
        self._router.sndhwm = self._router.rcvhwm = 0
        self._router.curve_server = True
        self._router.curve_secretkey = secret
        set_heartbeat(self._router, heartbeat)
        self._monitor: Any = self._router.get_monitor_socket(_WATCHED)
        self.router_fd, self.monitor_fd = self._router.FD, self._monitor.FD
        self._receiver = Receiver(name, dispatch, self.send, self._lose, self._over)

    def bind(self, host: str, port: int) -> int:
        """Listen at ``host`` (``*`` for all); returns the port, chosen where ``port`` is 0. Raises
        UsageError where it cannot."""
        self._router.ipv6 = has_dualstack_ipv6() if host == "*" else is_ipv6(host)
        try:
            self._router.bind(f"tcp://{bracketed(host)}:{port or '*'}")
        except zmq.ZMQError as error:
            raise UsageError(f"cannot listen at {host}:{port}: {error.strerror}") from error
        bound = self._router.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()
        return int(bound.rpartition(":")[2])

    def submit(self, task: Task) -> None:
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
            raise PoolClosed(f"the pool {self.name} has closed: it takes no more tasks")

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

    def _exchange(self) -> tuple[bool, deque[tuple[Task, Result]]]:
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

    def look(self) -> bool:
        """Whether a connection was cut since the last look."""
        is_cut = False
        while has_message(self._monitor):
            told = self._monitor.recv_multipart(zmq.NOBLOCK)
            event = int.from_bytes(told[0][:2], "little")
            is_cut = is_cut or event == zmq.EVENT_DISCONNECTED
            if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
                log.warning("a stranger was not let in: it does not speak as a worker does")
        return is_cut

    def tell_all(self, kind: bytes) -> None:
        """Whose connection is gone is lost then: nothing else tells which it was."""
        with self.lock:
            for worker in list(self.dispatch.workers.values()):
                self.send(worker, kind, b"")

    def refuse(self) -> None:
        """Take no more tasks."""
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
            self._router.disable_monitor()
            self._monitor.close(linger=0)
            self.guard.close()
            self._router.close(linger=500)
            self._context.term()
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
            dispatch.waiting.extend([inbox.popleft() for _ in range(len(inbox))])
        if self._forgotten:
            gone = [self._forgotten.popleft() for _ in range(len(self._forgotten))]
            dispatch.forget(gone)
        batches = dispatch.assign(time.monotonic())
        for batch in batches:
            self._send_tasks(batch)
        self._has_idle = dispatch.has_idle
        return bool(batches)

    def _send_tasks(self, batch: Batch) -> None:
        body, parts = pack_batch(batch)
        self.send(batch.worker, wire.TASKS, body, parts)

    def _lose(self, worker: Worker) -> None:
        if worker.key not in self.dispatch.workers:
            return
        tell = log.info if self._is_closing else log.warning
        tell("worker %s of %s is lost", worker.name, worker.about.get("host"))
        for task in self.dispatch.lose(worker.key):
            told = f"its worker was lost {task.crashes} times while it ran"
            failure = Failure("WorkerLost", told, "")
            crash = Result("crash", ERROR, failure, worker=worker.name, controller=self.name)
            self._over.append((task, crash))
