"""The end of a relay on the login node: the door that workers dial in at, and who launches them.

It holds no key but writes those that come into the pool's door, as the controller does at home.
When the connection is lost it waits for a while: a later one of it may take the pool over, which
``pool.json`` then tells. Else, and when the controller has left, it ends the workers and itself.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Mapping
from typing import Any

from ...disk.open_files import allow_open_files
from ...sites.here import Here
from ...sites.ssh import frames
from ...sites.ssh.answers import Talk
from ...sites.ssh.verbs import Request
from ...sites.wire import error_json
from ...use.requirements import compared
from ...words.errors import HpcbatchError, LaunchError, NotFound
from . import pipe as kinds
from .connections import MOST, Connections
from .orders import Orders
from .pipe import Pipe
from .relayed_pool import RelayedPool

log = logging.getLogger("hpcbatch.pool")

LOOK = 1.0  # seconds between two looks for whether it is to end
OWN_FILES = 256  # open ones, beside the workers' connections
SILENCE = 60.0  # seconds without a word of the controller, after which the connection is lost


def relay(site: Here, asked: Request, talk: Talk) -> None:
    """What the login node is asked for: it goes on until the pool is over."""
    allow_open_files(MOST + OWN_FILES)
    taken = RelayedPool.of(site.registry.root, asked)
    differences = compared(asked["requirements"])
    talk.tell(frames.GO_ON, {**taken.told(), "environment": differences})
    Far(taken, talk, float(asked["away"])).serve()


class Far:
    def __init__(self, taken: RelayedPool, talk: Talk, away: float):
        self._taken, self._talk, self._away = taken, talk, away
        self._pipe = Pipe(lambda kind, payload: talk.write(frames.message(kind, payload)))
        self._connections = Connections(self._pipe, doors=taken.doors)
        self._orders: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._over = threading.Event()
        self._heard = time.monotonic()
        self._is_left = False  # by the controller

    def serve(self) -> None:
        self._connections.start()
        for each in (self._listen, self._obey):
            threading.Thread(target=each, daemon=True).start()
        while not self._over.wait(LOOK) and self._is_ours():
            if time.monotonic() - self._heard > SILENCE or not self._connections.are_passed_on:
                break
        self._connections.close()
        if not self._is_left:
            time.sleep(LOOK)  # of a connection that is lost, one half may be so first
            self._is_left = self._over.is_set() and self._talk.is_heard()
        if not self._is_left:
            self._talk.hang_up()  # one that has only been silent then comes back
        give_up = time.monotonic() + self._away
        while self._is_ours():
            if self._is_left or time.monotonic() > give_up:
                self._taken.end()
                return
            time.sleep(LOOK)

    def _is_ours(self) -> bool:
        """Whether no other one has taken the pool over, or removed it; as it was when the disk
        does not tell."""
        try:
            return self._taken.is_ours()
        except NotFound:
            return False
        except (OSError, HpcbatchError) as error:
            log.warning("%s", error)
            return True

    def _listen(self) -> None:
        messages = self._talk.messages
        try:
            while not self._is_left:
                kind, payload = messages.next()
                self._heard = time.monotonic()
                if kind in kinds.OF_CONNECTIONS:
                    self._connections.take(kind, payload)
                elif kind == kinds.ORDER:
                    self._orders.put(json.loads(payload))
                elif kind == kinds.GOODBYE:
                    self._is_left = True
        except (EOFError, OSError):
            pass
        self._over.set()

    def _obey(self) -> None:
        """One order after the other: a scheduler may take its time."""
        orders = Orders(self._taken)
        while True:
            order = self._orders.get()
            try:
                told = {"made": orders.obey(order)}
            except HpcbatchError as error:
                told = {"failed": error_json(error)}
            except Exception as error:  # the controller tells it
                words = f"the relay failed: {type(error).__name__}: {error}"
                told = {"failed": error_json(LaunchError(words))}
            try:
                self._pipe.tell(kinds.DONE, {**told, "order": order["order"]})
            except OSError:
                return
