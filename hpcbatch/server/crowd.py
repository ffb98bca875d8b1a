"""How many may be connected at once: each connection is an open file, and a server that has none
left can neither read a key nor write its queue."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from typing import Any

MOST = 1000  # that are answered; others are told to come later
SHARES = 4  # of all places, one is the most that an address has without asking for anything
SHAKES_WITHIN = 10.0  # seconds from the connection until it is agreed how to encrypt
FILES = 4  # that are open for each: itself, another one that did not ask yet, and two for its work

Peer = tuple[str, int]  # address and port


def room() -> int:
    """How many are answered at once, with as many open files as this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST
    wanted = MOST * FILES if hard == resource.RLIM_INFINITY else min(MOST * FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return min(MOST, max(soft, wanted) // FILES)


class Door(socket.socket):
    """One that listens. Who has not asked for anything yet leaves for who comes next: the oldest of
    those of one address that has more than its share, or of all where every place is taken. Where
    all have asked, whoever is one too many is put off at once.

    Its methods are called by the thread of the event loop alone.
    """

    def __init__(self, family: int, kind: int, protocol: int, most: int):
        super().__init__(family, kind, protocol)
        self._most, self._share = most, max(most // SHARES, 1)
        self._inside: list[socket.socket] = []
        self._silent: dict[Peer, socket.socket] = {}  # who has not asked, oldest first
        self._unknown: dict[Peer, asyncio.TimerHandle] = {}  # who still agrees on how to encrypt

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises ConnectionAbortedError, after which an event loop goes on."""
        taken, address = super().accept()
        peer = address[:2]
        self._make_room(peer[0])
        if len(self._inside) >= self._most:
            taken.close()
            raise ConnectionAbortedError("too many are connected")
        self._inside.append(taken)
        self._silent[peer] = taken
        loop = asyncio.get_running_loop()
        self._unknown[peer] = loop.call_later(SHAKES_WITHIN, self._lose_patience, peer, taken)
        return taken, address

    def greeted(self, peer: Peer) -> None:
        """It is agreed how to encrypt."""
        if timer := self._unknown.pop(peer, None):
            timer.cancel()

    def asked(self, peer: Peer) -> None:
        """A first request has come."""
        self._silent.pop(peer, None)

    def _make_room(self, host: str) -> None:
        self._silent = {peer: one for peer, one in self._silent.items() if one.fileno() >= 0}
        own = [peer for peer in self._silent if peer[0] == host]
        if len(own) >= self._share:
            self._put_off(own[0])
        if len(self._inside) >= self._most:
            self._inside = [each for each in self._inside if each.fileno() >= 0]
        if len(self._inside) >= self._most and self._silent:
            self._put_off(next(iter(self._silent)))

    def _lose_patience(self, peer: Peer, taken: socket.socket) -> None:
        self._unknown.pop(peer, None)
        if self._silent.get(peer) is taken:
            self._put_off(peer)

    def _put_off(self, peer: Peer) -> None:
        """Whoever reads from it sees its end, and closes it."""
        one = self._silent.pop(peer)
        if one in self._inside:
            self._inside.remove(one)
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
