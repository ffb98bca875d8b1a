"""How an answer is told: the other end of what a client reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...disk.files import write_all
from . import frames
from .frames import Messages


class Talk:
    """With the client of one request."""

    def __init__(self, read: Callable[[int], bytes], out: int):
        self.messages = Messages(read)
        self._out = out

    def write(self, content: bytes) -> None:
        write_all(self._out, content)

    def tell(self, kind: bytes, value: Any) -> None:
        self.write(frames.told(kind, value))
