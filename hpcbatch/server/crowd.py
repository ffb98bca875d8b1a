"""How many may be connected at once: each connection is an open file, and a server that has none
left can neither read a key nor write its queue."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from typing import Any

from ..disk.limits import allow_open_files

MOST = 1000  # others are put off
SHARES = 2  # of all places, one is the most that an address has while nothing is answered there
SHAKES_WITHIN = 10.0  # seconds from the connection until it is agreed how to encrypt
FILES = 4  # that are open for each: itself, one that is just leaving for it, and two for its work

Peer = tuple[str, int]  # address and port


def room() -> int:
    """How many may be connected at once, with as many open files as this process may have."""
    return int(min(MOST, allow_open_files(MOST * FILES) // FILES))


class Door(socket.socket):
    """One that listens. A connection keeps its place while a whole request is answered there. Any
    other (silent, still sending, between two requests) leaves for who comes next where its address
    has more than its share of them, or where every place is taken: those first that were never
    answered, of these those of the address that has most, of these the longest idle. Where all are
    being answered, whoever is one too many is put off.

    Its methods are called by the thread of the event loop alone.
    """

    def __init__(self, family: int, kind: int, protocol: int, most: int):
        super().__init__(family, kind, protocol)
        self._most, self._share = most, max(most // SHARES, 1)
        self._inside: dict[Peer, socket.socket] = {}
        self._idle: dict[Peer, bool] = {}  # whether it was answered before; the longest first
        self._unknown: dict[Peer, asyncio.TimerHandle] = {}  # who still agrees on how to encrypt

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises ConnectionAbortedError, after which an event loop goes on."""
        taken, address = super().accept()
        peer = address[:2]
        self._make_room(peer[0])
        if len(self._inside) >= self._most:
            taken.close()
            raise ConnectionAbortedError("too many are connected")
        self.greeted(peer)  # its port may have been that of one who left
        self.answering(peer)
        self._inside[peer], self._idle[peer] = taken, False
        loop = asyncio.get_running_loop()
        self._unknown[peer] = loop.call_later(SHAKES_WITHIN, self._lose_patience, peer, taken)
        return taken, address

    def greeted(self, peer: Peer) -> None:
        """It is agreed how to encrypt."""
        if timer := self._unknown.pop(peer, None):
            timer.cancel()

    def answering(self, peer: Peer) -> None:
        """A whole request has come."""
        self._idle.pop(peer, None)

    def answered(self, peer: Peer) -> None:
        """Nothing is answered there any more."""
        if peer in self._inside:
            self._idle.setdefault(peer, True)

    def _make_room(self, host: str) -> None:
        if self._idle_of(host) >= self._share or len(self._inside) >= self._most:
            self._forget_closed()
        if self._idle_of(host) >= self._share:
            self._put_off_one_of([peer for peer in self._idle if peer[0] == host])
        if len(self._inside) >= self._most and self._idle:
            self._put_off_one_of(list(self._idle))

    def _idle_of(self, host: str) -> int:
        return sum(peer[0] == host for peer in self._idle)

    def _forget_closed(self) -> None:
        self._inside = {peer: one for peer, one in self._inside.items() if one.fileno() >= 0}
        self._idle = {peer: known for peer, known in self._idle.items() if peer in self._inside}

    def _put_off_one_of(self, peers: list[Peer]) -> None:
        candidates = [peer for peer in peers if not self._idle[peer]] or peers
        [(greediest, _)] = Counter(host for host, _ in candidates).most_common(1)
        self._put_off(next(peer for peer in candidates if peer[0] == greediest))

    def _lose_patience(self, peer: Peer, taken: socket.socket) -> None:
        self._unknown.pop(peer, None)
        if self._inside.get(peer) is taken:
            self._put_off(peer)

    def _put_off(self, peer: Peer) -> None:
        """Whoever reads from it sees its end, and closes it."""
        self._idle.pop(peer, None)
        with contextlib.suppress(OSError):
            self._inside.pop(peer).shutdown(socket.SHUT_RDWR)
