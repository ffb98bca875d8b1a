"""Answers that are worked out once for all who ask at about the same time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

SECONDS = 1.0  # that an answer is kept at least
SHARE = 10  # of its cost: a dear one is kept for longer
MOST = 200  # answers that are kept


class _Kept:
    def __init__(self) -> None:
        self.lock = Lock()
        self.until = float("-inf")
        self.value: Any = None


class SharedAnswers:
    """The answers, by what was asked."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    def get(self, asked: Hashable, work_out: Callable[[], Any]) -> Any:
        """Raises what ``work_out`` raises; that is not kept."""
        with self._lock:
            kept = self._kept.setdefault(asked, _Kept())
            self._kept.move_to_end(asked)
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)
        with kept.lock:
            began = time.monotonic()
            if began >= kept.until:
                kept.value = work_out()
                now = time.monotonic()
                kept.until = now + max(SECONDS, SHARE * (now - began))
            return kept.value
