"""What the clusters are: asked of the schedulers once in a while, however many want to know."""

from __future__ import annotations

import time
from threading import Lock

from ..cluster.overview import Overview, overview
from ..words.errors import RegistryBusy

KEPT = 60.0  # seconds that an answer holds
SHORT = 5.0  # seconds that somebody waits for another one's question


class Clusters:
    """Those of the registry ``root``; ``default`` is the one of submissions that name none."""

    def __init__(self, root: str, default: str | None):
        self._root, self._default = root, default
        self._lock = Lock()
        self._last: tuple[float, Overview] | None = None

    def overview(self) -> Overview:
        """Raises ConfigError, and RegistryBusy while somebody else asks the schedulers and there is
        no answer yet: many who wait would keep the server from all else."""
        last = self._last
        if not self._lock.acquire(timeout=SHORT if last is None else 0):
            if last is not None:
                return last[1]
            raise RegistryBusy("the schedulers are being asked: ask again in a moment")
        try:
            if self._last is None or time.monotonic() - self._last[0] > KEPT:
                found = overview(self._root, self._default)
                self._last = time.monotonic(), found
            return self._last[1]
        finally:
            self._lock.release()
