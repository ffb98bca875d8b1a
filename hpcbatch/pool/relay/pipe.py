"""What the two ends of a relay tell each other, through the one stream of bytes that they share."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from struct import Struct
from typing import Any

# of a worker's connection, whose number comes first: it is there, it says so, it is over; nothing
# more may come, for a while, and that is past
MADE, SAID, OVER, HOLD, GO_ON = b"M", b"S", b"O", b"H", b"G"
# an order of the controller, and its answer; that the controller is there, and that it leaves
ORDER, DONE, HERE, GOODBYE = b"D", b"A", b".", b"!"

OF_CONNECTIONS = frozenset({MADE, SAID, OVER, HOLD, GO_ON})
NUMBER = Struct("<I")


class Pipe:
    """``write`` sends one message; several threads may."""

    def __init__(self, write: Callable[[bytes, bytes], None]):
        self._write = write
        self._lock = threading.Lock()

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        with self._lock:
            self._write(kind, payload)

    def tell(self, kind: bytes, value: Any) -> None:
        self.send(kind, json.dumps(value).encode())

    def of(self, number: int, kind: bytes, content: bytes = b"") -> None:
        """About the connection with that number."""
        self.send(kind, NUMBER.pack(number) + content)
