"""Ctrl-C where it would leave half of a message sent: put off until that is done."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal's own functions make enumerations of all, which takes twenty times as long
import threading
from types import FrameType, TracebackType
from typing import Any


class PutOff:
    """A block that Ctrl-C does not interrupt: its handler is called behind the block. Nothing but
    the main thread is ever interrupted."""

    __slots__ = ("_came", "_handler")

    def __init__(self) -> None:
        self._handler: Any = None
        self._came = False

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            handler = _signal.getsignal(_signal.SIGINT)
            if callable(handler):
                self._handler = handler
                _signal.signal(_signal.SIGINT, self._note)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handler is not None:
            _signal.signal(_signal.SIGINT, self._handler)
            if self._came:
                self._handler(_signal.SIGINT, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = True
