"""How many may be connected at once: each connection is an open file, and a server that has none
left can neither read a key nor write its queue."""

from __future__ import annotations

import resource
import socket
from typing import Any

MOST = 1000  # that are answered; others are told to come later
FILES = 4  # that are open for each: itself, another one that did not ask yet, and two for its work


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
    """One that listens, and puts off at once whoever is one too many: also who is silent, and so
    comes to no protocol that could do that."""

    def __init__(self, family: int, kind: int, protocol: int, most: int):
        super().__init__(family, kind, protocol)
        self._most = most
        self._inside: list[socket.socket] = []

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises ConnectionAbortedError, after which an event loop goes on."""
        taken, address = super().accept()
        if len(self._inside) >= self._most:
            self._inside = [each for each in self._inside if each.fileno() >= 0]
        if len(self._inside) >= self._most:
            taken.close()
            raise ConnectionAbortedError("too many are connected")
        self._inside.append(taken)
        return taken, address
