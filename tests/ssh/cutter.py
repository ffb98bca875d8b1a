"""Cuts a connection at random, while bytes pass through it."""

from __future__ import annotations

import threading

import pytest

from hpcbatch.sites.ssh.keeper_client import Stream

from .sshd import Sshd


class Cutter:
    """Cuts once so many bytes have passed, and, as that may be none, after a while."""

    def __init__(self, sshd: Sshd, patch: pytest.MonkeyPatch):
        self._sshd = sshd
        self._left: float | None = None
        self.cuts = 0
        send, read = Stream.send, Stream.read

        def counted_send(stream: Stream, content: bytes) -> None:
            send(stream, content)
            self._passed(len(content))

        def counted_read(stream: Stream, size: int) -> bytes:
            content = read(stream, size)
            self._passed(len(content))
            return content

        patch.setattr(Stream, "send", counted_send)
        patch.setattr(Stream, "read", counted_read)

    def arm(self, count: float, seconds: float) -> threading.Timer:
        self._left = count
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        return timer

    def _passed(self, count: int) -> None:
        if self._left is not None:
            self._left -= count
            if self._left <= 0:
                self._cut()

    def _cut(self) -> None:
        self._left = None
        self.cuts += self._sshd.cut()
