"""How an answer is told: the other end of what a client reads."""

from __future__ import annotations

import os
import select
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

    def is_heard(self) -> bool:
        """Whether anybody reads what is written."""
        poll = select.poll()
        poll.register(self._out, 0)
        return not poll.poll(0)

    def hang_up(self) -> None:
        """The client sees the end, though this process goes on."""
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        for fd in (self._out, 1, 2):
            os.dup2(nowhere, fd)
        os.close(nowhere)

    def tell(self, kind: bytes, value: Any) -> None:
        self.write(frames.told(kind, value))
