"""The pool's door to the network: one socket that all workers dial in to, and a thread for it.

Whoever submits a task while a worker has nothing to do sends it there and then. Else it waits for
the thread, which hands out many at once as results come in. The socket is used under one lock;
as in the worker, whoever has sent looks whether something came.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pickle
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import zmq

from ..words.errors import HpcbatchError
from ..words.version import VERSION
from ..worker import wire
from ..worker.link import set_heartbeat
from ..worker.wire import ERROR, Failure, Outcome
from .dispatch import Batch, Dispatch, Worker
from .guard import Guard
from .task import Result, Task

log = logging.getLogger("hpcbatch.pool")

GOODBYE = 3.0  # seconds that workers have to go
_WATCHED = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL

Resolve = Callable[[Task, Result], None]


class Broker:
    """``resolve`` is called from the thread, without the lock, for each task that is over;
    ``scale`` with the number of tasks that are left, now and then and when workers came or went."""

    def __init__(
        self,
        name: str,
        dispatch: Dispatch,
        heartbeat: float,
        resolve: Resolve,
        scale: Callable[[int], None],
        python: str,
    ):
        self.name, self.dispatch = name, dispatch
        self.lock = threading.Lock()
        self._heartbeat, self._python = heartbeat, python
        self._resolve, self._scale = resolve, scale
        self._inbox: deque[Task] = deque()
        self._over: list[tuple[Task, Result]] = []
        self._has_idle = False
        self._closing = self._drains = False
        self._drained = threading.Event()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.client_key, self._client_secret = zmq.curve_keypair()
        self.server_key, secret = zmq.curve_keypair()
        self._context = zmq.Context(io_threads=1)
        self._guard = Guard(self._context, self.client_key)
        self._router = self._context.socket(zmq.ROUTER)
        self._router.router_mandatory = True
        self._router.linger = 0
        self._router.sndhwm = self._router.rcvhwm = 0
        self._router.curve_server = True
        self._router.curve_secretkey = secret
        set_heartbeat(self._router, heartbeat)
        self._monitor = self._router.get_monitor_socket(_WATCHED)
        self._thread = threading.Thread(target=self._live, name=f"hpcbatch-{name}", daemon=True)
        self._probe_at = 0.0
        self.arrivals = 0

    def bind(self, host: str, port: int) -> int:
        """Listen at ``host`` (``*`` for all); returns the port, chosen where ``port`` is 0."""
        self._router.bind(f"tcp://{host}:{port or '*'}")
        bound = self._router.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()
        return int(bound.rpartition(":")[2])

    @property
    def client_secret(self) -> bytes:
        return bytes(self._client_secret)

    def start(self) -> None:
        self._thread.start()

    def submit(self, task: Task) -> None:
        self._inbox.append(task)
        if self._has_idle:
            self.hurry()
        elif not self.dispatch.workers:
            self.wake()

    def hurry(self) -> None:
        """Hand out now what has come in."""
        if self.lock.acquire(blocking=False):
            try:
                self._hand_out()
                if not self._router.EVENTS & zmq.POLLIN and not self._over:
                    return
            finally:
                self.lock.release()
        self.wake()

    def wake(self) -> None:
        os.eventfd_write(self._wake, 1)

    def drain(self) -> None:
        """Until no task is left."""
        self._drained.clear()
        self._drains = True
        self.wake()
        self._drained.wait()

    def close(self) -> list[Task]:
        """Send all workers away, and wait for them a little; returns the tasks that are left."""
        self._closing = True
        self.wake()
        self._thread.join(GOODBYE + 2)
        return [*self.dispatch.take_all(), *self._inbox]

    def send(self, worker: Worker, kind: bytes, body: bytes, parts: Iterable[Any] = ()) -> bool:
        """With the lock. False where the worker is gone, and is lost then."""
        try:
            frames = [worker.key, kind, body, *parts]
            self._router.send_multipart(frames, zmq.NOBLOCK, copy=len(frames) == 3)
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self._lose(worker)
            return False
        return True

    def _live(self) -> None:
        try:
            self._run()
        except BaseException:
            log.exception("the pool %s has failed, and closes", self.name)
            with self.lock:
                self._closing = True
                left = [*self.dispatch.take_all(), *self._inbox]
                self._inbox.clear()
            failure = Failure("PoolError", "the pool has failed: its log tells why", "")
            for task in left:
                self._resolve(task, Result("error", ERROR, failure, controller=self.name))
            self._drained.set()

    def _run(self) -> None:
        monitor, guard, wake = self._monitor.FD, self._guard.socket.FD, self._wake
        poll = select.poll()
        for fd in (wake, self._router.FD, monitor, guard):
            poll.register(fd, select.POLLIN)
        give_up = None
        told = {monitor, guard}
        while True:
            now = time.monotonic()
            with self.lock:
                count = len(self.dispatch.workers)
                if guard in told:
                    self._guard.answer()
                is_cut = monitor in told and self._look()
                self._receive()
                is_due = now >= self._probe_at
                if is_cut or is_due:
                    self._probe(now, is_cut)
                if self._closing:
                    if give_up is None:
                        give_up = now + GOODBYE
                        self._send_away()
                    if not self.dispatch.workers or now > give_up:
                        self._close()
                        self._drained.set()
                        return
                else:
                    self._hand_out()
                over, self._over = self._over, []
                workers = len(self.dispatch.workers)
                is_due = is_due or not workers or count != workers
                again = bool(self._router.EVENTS & zmq.POLLIN)
            for task, result in over:
                self._resolve(task, result)
            if is_due and not self._closing:
                try:
                    self._scale(self.dispatch.left() + len(self._inbox))
                except (OSError, HpcbatchError) as error:
                    log.warning("no more workers could be launched: %s", error)
            if self._drains and not self._inbox and self.dispatch.is_empty():
                self._drained.set()
            if again or (self._inbox and self._has_idle):
                told = set()
                continue
            left = max(self._probe_at - now, 0.0) if not self._closing else 0.1
            told = {fd for fd, _ in poll.poll(left * 1000)}
            if wake in told:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(wake)

    def _close(self) -> None:
        self._router.disable_monitor()
        self._monitor.close(linger=0)
        self._guard.close()
        self._router.close(linger=500)
        self._context.term()
        os.close(self._wake)

    def _send_away(self) -> None:
        for worker in list(self.dispatch.workers.values()):
            self.send(worker, wire.BYE, b"")

    def _look(self) -> bool:
        """Whether a connection was cut."""
        is_cut = False
        while True:
            try:
                told = self._monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return is_cut
            event = int.from_bytes(told[0][:2], "little")
            is_cut = is_cut or event == zmq.EVENT_DISCONNECTED
            if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
                log.warning("a stranger was not let in: it does not speak as a worker does")

    def _probe(self, now: float, is_cut: bool) -> None:
        """Find workers whose connection is gone: nothing else tells which it was."""
        for worker in list(self.dispatch.workers.values()):
            self.send(worker, wire.PROBE, b"")
        # libzmq may take a moment to forget a peer whose connection was cut
        self._probe_at = now + (0.1 if is_cut else self._heartbeat)

    def _receive(self) -> None:
        for _ in range(1000):  # then what came is handed on
            if not self._router.EVENTS & zmq.POLLIN:
                return
            frames = self._router.recv_multipart(zmq.NOBLOCK, copy=False)
            key = frames[0].bytes
            try:
                self._take(key, frames[1].bytes, frames[2].bytes, frames[3:])
            except Exception as error:  # what a peer sends must not end the pool
                log.warning("a message that cannot be understood was ignored: %r", error)
                worker = self.dispatch.workers.get(key)
                if worker is not None and self.send(worker, wire.BYE, b""):
                    self._lose(worker)

    def _take(self, key: bytes, kind: bytes, body: bytes, parts: list[Any]) -> None:
        worker = self.dispatch.workers.get(key)
        if kind == wire.HELLO:
            self._greet(key, json.loads(body))
        elif worker is None:
            log.info("a message of a worker that was given up was dropped")
        elif kind == wire.RESULTS:
            self._take_results(worker, body, parts)
        elif kind == wire.BUSY:
            dispatch, returned = pickle.loads(body)
            self.dispatch.busy(key, dispatch, returned)
        elif kind == wire.LEAVING:
            reason, _ = pickle.loads(body)
            log.info("worker %s leaves: %s", worker.name, reason)
            self.dispatch.lose(key, is_planned=True)

    def _take_results(self, worker: Worker, body: bytes, parts: list[Any]) -> None:
        finish, over, key = self.dispatch.finish, self._over, worker.key
        name, controller = worker.name, self.name
        for dispatch, how, value, seconds, warnings in pickle.loads(body):
            task = finish(key, dispatch, seconds)
            if task is None:
                continue
            own: Any = ()
            if how == wire.PARTED:
                value, own = wire.own_parts(how, value, parts)
            status = "error" if how == ERROR else "done"
            over.append(
                (task, Result(status, how, value, own, seconds, warnings, name, controller))
            )

    def _greet(self, key: bytes, told: dict[str, Any]) -> None:
        refusal = self._refusal(told)
        left, walltime = told.get("max_tasks"), told.get("walltime")
        ends = None if walltime is None else time.monotonic() + walltime
        worker = Worker(key, str(told["worker"]), left, ends)
        worker.about = told
        if refusal:
            log.warning("worker of %s: %s", told.get("host"), refusal)
            self._router.send_multipart([key, wire.REFUSED, json.dumps(refusal).encode()])
            return
        self._router.send_multipart([key, wire.WELCOME, b"{}"])
        self.dispatch.arrive(worker)
        self.arrivals += 1
        log.info("worker %s has come from %s", worker.name, told.get("host"))

    def _refusal(self, told: dict[str, Any]) -> str:
        minor = ".".join(str(told.get("python", "")).split(".")[:2])
        if minor != self._python:
            return f"it runs Python {minor}, and the controller {self._python}"
        if told.get("version") != VERSION:
            return f"it has hpcbatch {told.get('version')}, and the controller {VERSION}"
        return ""

    def _hand_out(self) -> None:
        inbox, dispatch = self._inbox, self.dispatch
        if inbox:
            count = len(inbox)
            dispatch.waiting.extend([inbox.popleft() for _ in range(count)])
        for batch in dispatch.assign(time.monotonic()):
            self._send_tasks(batch)
        self._has_idle = dispatch.has_idle

    def _send_tasks(self, batch: Batch) -> None:
        worker = batch.worker
        functions, orders, parts = [], [], []
        for number, task in batch.tasks:
            function = task.function
            if function.number not in worker.functions:
                worker.functions.add(function.number)
                how, content = function.packed(parts)
                functions.append((function.number, how, content))
            payload = task.payload
            if task.how == wire.PARTED:
                payload = wire.moved(task.how, payload, len(parts))
                parts.extend(task.parts)
            size = bool(task.size)
            orders.append(
                (number, function.number, task.how, size, task.number, task.seed, payload)
            )
        self.send(worker, wire.TASKS, wire.body((functions, (), orders)), parts)

    def _lose(self, worker: Worker) -> None:
        tell = log.info if self._closing else log.warning
        tell("worker %s of %s is lost", worker.name, worker.about.get("host"))
        for task in self.dispatch.lose(worker.key):
            told = f"its worker was lost {task.crashes} times while it ran"
            failure = Failure("WorkerLost", told, "")
            self._over.append(
                (task, Result("crash", ERROR, failure, worker=worker.name, controller=self.name))
            )
