"""Failed attempts to get in: a peer with too many is not listened to for a while."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Hashable
from threading import Lock

from ..words.errors import TooManyFailures

PEERS = 10_000  # that are remembered


class Failures:
    """At most ``limit`` of a peer in ``per_seconds``."""

    def __init__(self, limit: int = 10, per_seconds: float = 60):
        self._limit, self._per_seconds = limit, per_seconds
        self._times: OrderedDict[Hashable, deque[float]] = OrderedDict()
        self._lock = Lock()

    def check(self, peer: Hashable, now: float) -> None:
        """Raises TooManyFailures, with the seconds after which the peer may try again."""
        with self._lock:
            times = self._recent(peer, now)
            if len(times) < self._limit:
                return
            wait = times[0] + self._per_seconds - now
        raise TooManyFailures(f"too many attempts failed: try again in {math.ceil(wait)} s", wait)

    def note(self, peer: Hashable, now: float) -> None:
        with self._lock:
            times = self._recent(peer, now)
            times.append(now)
            self._times[peer] = times
            self._times.move_to_end(peer)
            if len(self._times) > PEERS:
                self._times.popitem(last=False)

    def _recent(self, peer: Hashable, now: float) -> deque[float]:
        """Times that a clock which was set back left in the future do not count."""
        times = self._times.get(peer, ())
        is_recent = (time for time in times if 0 <= now - time < self._per_seconds)
        return deque(is_recent, maxlen=self._limit)
