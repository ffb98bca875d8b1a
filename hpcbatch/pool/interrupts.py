"""Ctrl-C where it would leave half of a turn done: put off until all of it is.

By the functions that ``signal`` wraps: its own make enumerations of all, and take twenty times as
long.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import threading
import time
from types import FrameType
from typing import Any

PATIENCE = 1.0  # seconds after which one more interrupts the block, which somebody's code holds up


class PutOff:
    """A block that Ctrl-C does not interrupt: its handler is called behind the block. Nothing but
    the main thread is ever interrupted."""

    __slots__ = ("_came", "_handler", "_own")

    def __init__(self) -> None:
        self._handler: Any = None
        self._own: Any = None
        self._came: float | None = None

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            handler = _signal.getsignal(_signal.SIGINT)
            if callable(handler):
                self._handler = handler
                self._own = self._note
                _signal.signal(_signal.SIGINT, self._own)

    def __exit__(self, *_: object) -> None:
        if self._handler is not None:
            if _signal.getsignal(_signal.SIGINT) is self._own:  # else somebody set another
                _signal.signal(_signal.SIGINT, self._handler)
            if self._came is not None:
                self._handler(_signal.SIGINT, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._came is None:
            self._came = now
        elif now - self._came > PATIENCE:
            self._handler(number, frame)
