"""How many may be connected at once: each connection is an open file, and a server that has none
left can neither read a key nor write its queue."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from typing import Any

from ..disk.open_files import allow_open_files

MOST = 2000  # others are put off
FILES = 2  # that are open for each: itself, and one for its work
AT_ONCE = 512  # that are taken in one go: those that leave for them are still open
OWN_FILES = 256
SHAKES_WITHIN = 10.0  # seconds from the connection until it is agreed how to encrypt

Peer = tuple[str, int]  # address and port


def room() -> int:
    """How many may be connected at once, with as many open files as this process may have."""
    files = allow_open_files(MOST * FILES)
    return int(min(MOST, max(files - AT_ONCE - OWN_FILES, files // 4)))


class LimitedListener(socket.socket):
    """One that listens. A connection is a stranger's until a request on it was let in; then it is
    some user's. Where every place is taken, a stranger's leaves for who comes next, the oldest of
    the address that has most of them; where there are none, the oldest of the user who has most.

    Its methods are called by the thread of the event loop, but for ``known``.
    """

    def __init__(self, family: int, kind: int, protocol: int, most: int):
        super().__init__(family, kind, protocol)
        self._most = most
        self._inside: dict[Peer, socket.socket] = {}
        self._strangers: dict[Peer, str] = {}  # their addresses, oldest first
        self._users: dict[Peer, str] = {}  # those of others
        self._unknown: dict[Peer, asyncio.TimerHandle] = {}  # who still agrees on how to encrypt

    def accept(self) -> tuple[socket.socket, Any]:
        taken, address = super().accept()
        peer = address[:2]
        if len(self._inside) >= self._most:
            self._make_room()
        self.greeted(peer)  # its port may have been that of one who left
        self._forget(peer)
        self._inside[peer], self._strangers[peer] = taken, peer[0]
        loop = asyncio.get_running_loop()
        self._unknown[peer] = loop.call_later(SHAKES_WITHIN, self._lose_patience, peer, taken)
        return taken, address

    def greeted(self, peer: Peer) -> None:
        """It is agreed how to encrypt."""
        if timer := self._unknown.pop(peer, None):
            timer.cancel()

    def known(self, peer: Peer, user: str) -> None:
        """It is no stranger's. From any thread."""
        if self._strangers.pop(peer, None) is not None:
            self._users[peer] = user

    def _make_room(self) -> None:
        for peer in [peer for peer, one in self._inside.items() if one.fileno() < 0]:
            del self._inside[peer]
            self._forget(peer)
        owners = list((self._strangers or self._users).items())  # in one go: threads take from it
        if len(self._inside) >= self._most and owners:
            [(greediest, _)] = Counter(owner for _, owner in owners).most_common(1)
            self._put_off(next(peer for peer, owner in owners if owner == greediest))

    def _forget(self, peer: Peer) -> None:
        self._strangers.pop(peer, None)
        self._users.pop(peer, None)

    def _lose_patience(self, peer: Peer, taken: socket.socket) -> None:
        self._unknown.pop(peer, None)
        if self._inside.get(peer) is taken:
            self._put_off(peer)

    def _put_off(self, peer: Peer) -> None:
        """Whoever reads from it sees its end, and closes it."""
        self._forget(peer)
        one = self._inside.pop(peer, None)
        if one is not None:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
