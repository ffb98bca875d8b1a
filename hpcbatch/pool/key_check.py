"""Who may come in: whoever holds the pool's client key (ZAP, RFC 27 of ZeroMQ)."""

from __future__ import annotations

import logging
from typing import Any

import zmq
from zmq.utils import z85

from ..worker.link import has_message

log = logging.getLogger("hpcbatch.pool")


class KeyCheck:
    """Answers libzmq's questions; ``fd`` is to be polled for them."""

    def __init__(self, context: Any, client_key: bytes):
        self._client_key = z85.decode(client_key)
        self._socket: Any = context.socket(zmq.REP)
        self._socket.linger = 0
        self._socket.bind("inproc://zeromq.zap.01")
        self.fd = self._socket.FD

    def answer(self) -> None:
        while has_message(self._socket):
            frames = self._socket.recv_multipart(zmq.NOBLOCK)
            self._socket.send_multipart(self._answer(frames))

    def _answer(self, frames: list[bytes]) -> list[bytes]:
        version, request, _, address, _, mechanism, *credentials = frames
        if mechanism == b"CURVE" and credentials == [self._client_key]:
            return [version, request, b"200", b"OK", b"worker", b""]
        told = address.decode("ascii", "replace")
        log.warning("a stranger from %s was not let in: it does not hold the pool's key", told)
        return [version, request, b"400", b"not the pool's key", b"", b""]

    def close(self) -> None:
        self._socket.close()
