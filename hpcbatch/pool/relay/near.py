"""The end of a relay at the controller: keeps it connected, and brings workers' connections to the
port where the controller listens on this machine."""

from __future__ import annotations

import itertools
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ...sites.ssh import exchange, frames
from ...sites.ssh.exchange import Answer
from ...sites.ssh.site import Ssh
from ...sites.wire import error_from
from ...words.errors import HpcbatchError, NotFound, SiteUnreachable
from . import pipe as kinds
from .connections import Connections
from .pipe import Pipe

log = logging.getLogger("hpcbatch.pool")

MODULE = "hpcbatch.pool.relay"
LEAVES = 15.0  # seconds for the other end to end its workers
HOST = "127.0.0.1"
MORE = 500  # connections beside two for each worker: one that it had, and one that it has now


class Near:
    """``asked`` is what the other end has to know, ``port`` the controller's; ``fail`` is told why
    the connection is lost for good."""

    def __init__(self, site: Ssh, asked: dict[str, Any], port: int, fail: Callable[[str], None]):
        self._site, self._asked, self._port, self._fail = site, asked, port, fail
        self._most = MORE + 2 * int(asked["workers"])
        self._numbers = itertools.count(1)
        self._orders: dict[int, Future[Any]] = {}
        self._changed = threading.Condition()
        self._pipe: Pipe | None = None
        self._first: Future[dict[str, Any]] = Future()
        self._closing = threading.Event()
        self._why = ""  # there will be no connection any more
        self.connected_since = 0.0
        self.connections = 0  # that were made so far
        self._thread = threading.Thread(target=self._live, name="hpcbatch-relay", daemon=True)

    def start(self) -> dict[str, Any]:
        """What the other end tells of itself. Raises SiteUnreachable, SiteNotReady, AccessDenied
        and whatever is wrong with what was asked for."""
        self._site.exchange.ask("hello")  # a password is asked for by the thread of its user
        self._thread.start()
        return self._first.result()

    def ask(self, verb: str, **asked: Any) -> Any:
        """What it answers. Raises what it does, and SiteUnreachable when the connection is lost
        before; nobody knows then whether it was done."""
        with self._changed:
            pipe, number = self._pipe, next(self._numbers)
            if pipe is None:
                raise SiteUnreachable(self._why or f"{self._site.place} is away")
            answer = self._orders[number] = Future()
        pipe.tell(kinds.ORDER, {"order": number, "verb": verb, "asked": asked})
        told = answer.result()
        if "failed" in told:
            raise error_from(told["failed"])
        return told["made"]

    def ask_patiently(self, verb: str, **asked: Any) -> Any:
        """The same, again and again: for what may be asked twice."""
        while True:
            try:
                return self.ask(verb, **asked)
            except SiteUnreachable:
                with self._changed:
                    self._changed.wait_for(lambda: self._pipe is not None or self._is_over)
                if self._is_over:
                    raise

    def give_up(self) -> None:
        """Nobody waits any more for a connection that is away."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()

    def close(self) -> bool:
        """Tell the other end to end its workers and itself; whether it has."""
        self.give_up()
        try:
            pipe = self._pipe
            if pipe is not None:
                pipe.send(kinds.GOODBYE)
        except (SiteUnreachable, OSError):
            return False
        if self._thread.is_alive():  # else it has ended, or was never begun
            self._thread.join(LEAVES)
        return pipe is not None and not self._thread.is_alive()

    @property
    def _is_over(self) -> bool:
        return self._closing.is_set() or bool(self._why)

    def _live(self) -> None:
        patience = self._site.exchange.patience(self._closing.wait)
        while not self._closing.is_set():
            made = self.connections
            try:
                with self._site.exchange.begun("relay", MODULE, **self._asked) as answer:
                    self._serve(answer, answer.next()[1])
                why = f"the connection to {self._site.place} was lost"
            except SiteUnreachable as error:
                why = str(error)
            except Exception as error:  # a controller that waits must be told
                if not isinstance(error, HpcbatchError):
                    log.exception("the relay to %s has failed", self._site.place)
                if not self._first.done() or isinstance(error, NotFound):
                    self._end(error)
                    return
                why = str(error)  # such as a home that is not mounted yet
            if not self._first.done():
                self._end(SiteUnreachable(why))
                return
            lasted = self.connections > made and time.monotonic() - self.connected_since
            if lasted > exchange.PAUSES[1]:
                patience.progressed()
            if self.connections > made and not self._closing.is_set():
                log.warning("%s: it is tried again", why)
            if patience.is_over:
                self._end(SiteUnreachable(f"{why}, for {exchange.PATIENCE:.0f} s"))
                return
            patience.wait()

    def _end(self, error: Exception) -> None:
        with self._changed:
            self._why = str(error) or type(error).__name__
            self._changed.notify_all()
        if not self._first.done():
            self._first.set_exception(error)
        elif not self._closing.is_set():
            self._fail(self._why)

    def _serve(self, answer: Answer, told: dict[str, Any]) -> None:
        """Until the connection is lost, or the other end has left."""
        pipe = Pipe(answer.send)
        connections = Connections(pipe, dial=self._dial, beats=True, most=self._most)
        # a later connection is for the same pool, and its workers know this port
        self._asked.update(pool=told["pool"], port=told["port"], code="")
        with self._changed:
            self._pipe, self.connected_since = pipe, time.monotonic()
            self.connections += 1
            self._changed.notify_all()
        connections.start()
        if not self._first.done():
            self._first.set_result(told)
        try:
            while True:
                kind, payload = answer.message()
                if kind == kinds.DONE:
                    told = json.loads(payload)
                    self._orders.pop(told["order"]).set_result(told)
                elif kind == frames.ERROR:
                    raise error_from(json.loads(frames.unpacked(payload)))
                elif kind in kinds.OF_CONNECTIONS:
                    connections.take(kind, payload)
        except EOFError:
            pass
        finally:
            with self._changed:
                self._pipe = None
                orders = list(self._orders.values())
                self._orders.clear()
            for order in orders:
                order.set_exception(SiteUnreachable(f"{self._site.place} is away"))
            connections.close()

    def _dial(self) -> socket.socket:
        return socket.create_connection((HOST, self._port))
