"""What the clusters are: asked of the schedulers once in a while, however many want to know."""

from __future__ import annotations

import time
from threading import Lock

from ..cluster.overview import Overview, overview

KEPT = 60.0  # seconds that an answer holds


class Clusters:
    """Those of the registry ``root``; ``default`` is the one of submissions that name none."""

    def __init__(self, root: str, default: str | None):
        self._root, self._default = root, default
        self._lock = Lock()
        self._last: tuple[float, Overview] | None = None

    def overview(self) -> Overview:
        """Raises ConfigError."""
        with self._lock:
            if self._last is None or time.monotonic() - self._last[0] > KEPT:
                found = overview(self._root, self._default)
                self._last = time.monotonic(), found
            return self._last[1]
