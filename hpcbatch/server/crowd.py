"""How many may be connected at once: each connection is an open file, and a server that has none
left can neither read a key nor write its queue."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from typing import Any

from ..disk.limits import allow_open_files

MOST = 2000  # others are put off
SHAKES_WITHIN = 10.0  # seconds from the connection until it is agreed how to encrypt
FILES = 2  # that are open for each: itself, and one for its work or that is just leaving

Peer = tuple[str, int]  # address and port


def room() -> int:
    """How many may be connected at once, with as many open files as this process may have."""
    return int(min(MOST, allow_open_files(MOST * FILES) // FILES))


class Door(socket.socket):
    """One that listens. Whoever has shown a token or a session keeps their connection. Where every
    place is taken, a stranger's leaves for who comes next: the oldest of the address that has most
    of them. Where all are known, whoever is one too many is put off.

    Its methods are called by the thread of the event loop, but for ``known``.
    """

    def __init__(self, family: int, kind: int, protocol: int, most: int):
        super().__init__(family, kind, protocol)
        self._most = most
        self._inside: dict[Peer, socket.socket] = {}
        self._strangers: dict[Peer, None] = {}  # oldest first
        self._unknown: dict[Peer, asyncio.TimerHandle] = {}  # who still agrees on how to encrypt

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises ConnectionAbortedError, after which an event loop goes on."""
        taken, address = super().accept()
        peer = address[:2]
        if len(self._inside) >= self._most:
            self._make_room()
        if len(self._inside) >= self._most:
            taken.close()
            raise ConnectionAbortedError("too many are connected")
        self.greeted(peer)  # its port may have been that of one who left
        self.known(peer)
        self._inside[peer], self._strangers[peer] = taken, None
        loop = asyncio.get_running_loop()
        self._unknown[peer] = loop.call_later(SHAKES_WITHIN, self._lose_patience, peer, taken)
        return taken, address

    def greeted(self, peer: Peer) -> None:
        """It is agreed how to encrypt."""
        if timer := self._unknown.pop(peer, None):
            timer.cancel()

    def known(self, peer: Peer) -> None:
        """It is no stranger's. From any thread."""
        self._strangers.pop(peer, None)

    def _make_room(self) -> None:
        for peer in [peer for peer, one in self._inside.items() if one.fileno() < 0]:
            del self._inside[peer]
            self.known(peer)
        strangers = list(self._strangers)  # in one go: other threads take from it
        if len(self._inside) >= self._most and strangers:
            [(host, _)] = Counter(host for host, _ in strangers).most_common(1)
            self._put_off(next(peer for peer in strangers if peer[0] == host))

    def _lose_patience(self, peer: Peer, taken: socket.socket) -> None:
        self._unknown.pop(peer, None)
        if self._inside.get(peer) is taken:
            self._put_off(peer)

    def _put_off(self, peer: Peer) -> None:
        """Whoever reads from it sees its end, and closes it."""
        self.known(peer)
        with contextlib.suppress(OSError):
            self._inside.pop(peer).shutdown(socket.SHUT_RDWR)
