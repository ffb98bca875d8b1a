"""Messages in a stream of bytes: a letter, a length, and as many bytes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from struct import Struct
from typing import Any

from ...words.errors import DamagedFile

HEAD = Struct("<cI")
BLOCK = 1 << 18  # bytes of data in one message
LARGEST = 1 << 30

# what a message is
REQUEST, ANSWER, ERROR, WARNING, GO_ON, DATA = b"q", b"j", b"e", b"w", b"g", b"d"
# between a command and the keeper of its connection
QUESTION, REPLY, OPEN, OUTPUT, COMPLAINT, EXIT = b"?", b"r", b"o", b"1", b"2", b"x"


def message(kind: bytes, payload: bytes) -> bytes:
    return HEAD.pack(kind, len(payload)) + payload


def told(kind: bytes, value: Any) -> bytes:
    return message(kind, json.dumps(value).encode())


class Messages:
    """The messages in what ``read`` gives: up to so many bytes, none at the end."""

    def __init__(self, read: Callable[[int], bytes]):
        self._read = read
        self._held = bytearray()

    def skip_behind(self, mark: bytes) -> bytes:
        """Drop all up to and with ``mark``; returns the end of it. Raises EOFError without one."""
        while (at := self._held.find(mark)) < 0:
            self._fill()
        noise = bytes(self._held[:at])
        del self._held[: at + len(mark)]
        return noise

    def next(self) -> tuple[bytes, bytes]:
        """Raises EOFError where the stream ends."""
        while len(self._held) < HEAD.size:
            self._fill()
        kind, length = HEAD.unpack_from(self._held)
        if length > LARGEST:
            raise DamagedFile("what came over the connection is no message of hpcbatch")
        while len(self._held) < HEAD.size + length:
            self._fill()
        payload = bytes(memoryview(self._held)[HEAD.size : HEAD.size + length])
        del self._held[: HEAD.size + length]
        return kind, payload

    def held(self) -> bytes:
        """What was read and belongs to no message that was asked for."""
        return bytes(self._held)

    def _fill(self) -> None:
        more = self._read(1 << 16)
        if not more:
            raise EOFError("the connection was cut off")
        self._held += more


def packed(block: bytes) -> bytes:
    """Compressed, where that helps."""
    small = zlib.compress(block, 1)
    return b"z" + small if len(small) < len(block) * 0.9 else b"=" + block


def unpacked(payload: bytes) -> bytes:
    """Raises DamagedFile."""
    try:
        return zlib.decompress(payload[1:]) if payload[:1] == b"z" else payload[1:]
    except zlib.error as error:
        raise DamagedFile(f"what came over the connection is damaged: {error}") from error
