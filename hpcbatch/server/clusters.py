"""What the clusters are: asked of the schedulers once in a while, however many want to know."""

from __future__ import annotations

import asyncio
import time
from concurrent import futures
from threading import Lock, Thread

from ..cluster.overview import Overview, overview
from ..words.errors import RegistryBusy

KEPT = 60.0  # seconds that an answer holds
SHORT = 10.0  # seconds that somebody waits for it


class Clusters:
    """Those of the registry ``root``; ``default`` is the one of submissions that name none."""

    def __init__(self, root: str, default: str | None):
        self._root, self._default = root, default
        self._lock = Lock()
        self._asking: futures.Future[Overview] | None = None  # or the last that were asked
        self._known: Overview | None = None
        self._told = float("-inf")  # monotonic seconds, when that was

    async def overview(self) -> Overview:
        """One that may be older where the schedulers take their time. Raises ConfigError, and
        RegistryBusy where there is none yet."""
        asking = asyncio.wrap_future(self._ask())
        try:
            return await asyncio.wait_for(asyncio.shield(asking), SHORT)
        except asyncio.TimeoutError:
            if self._known is None:
                raise RegistryBusy("the schedulers are being asked: ask again soon") from None
            return self._known

    def _ask(self) -> futures.Future[Overview]:
        with self._lock:
            is_old = time.monotonic() - self._told > KEPT
            if self._asking is None or (self._asking.done() and is_old):
                self._asking = futures.Future()
                Thread(target=self._answer, args=(self._asking,), daemon=True).start()
            return self._asking

    def _answer(self, asking: futures.Future[Overview]) -> None:
        try:
            self._known = overview(self._root, self._default)
        except Exception as error:  # raised by whoever awaits it
            asking.set_exception(error)
        else:
            self._told = time.monotonic()
            asking.set_result(self._known)
