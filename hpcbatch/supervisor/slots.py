"""The machine's slots, shared by all supervisors of one user.

Slot k is the record lock on byte k of one file: the kernel frees it when its holder dies, and a
forked child never has it. Whoever wants slots first draws a *ticket*, the lock on a byte behind
all tickets out, and gathers slots once no ticket before its own is left. So only one at a time
gathers (no deadlock), and nobody passes one who waits for many (no starvation).
"""

from __future__ import annotations

import fcntl
import os

from ..disk.locks import first_lock
from ..words.errors import SubmissionRejected
from . import machine

_TICKETS = 1 << 30


def slot_count() -> int:
    """How many elements may run at once on this machine. Raises SubmissionRejected."""
    told = os.environ.get("HPCBATCH_LOCAL_SLOTS", "")
    if not told:
        return machine.usable_cores()
    if not told.isascii() or not told.isdigit() or not 0 < int(told) < _TICKETS:
        raise SubmissionRejected(f"HPCBATCH_LOCAL_SLOTS must be a number above 0, not {told!r}")
    return int(told)


class Slots:
    """The slots held by this process.

    Closing any other descriptor of the file in this process would free them all (fcntl(2)).
    """

    def __init__(self, path: str, count: int):
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._count = count
        self._held: set[int] = set()
        self._gathered: list[int] = []
        self._ticket: int | None = None

    def take(self, wanted: int) -> list[int] | None:
        """``wanted`` slots, or None for now: ask again soon, or ``give_way``."""
        if self._ticket is None:
            self._ticket = self._draw()
        if self._first_lock(_TICKETS, self._ticket) is not None:
            return None
        for slot in range(self._count):
            if len(self._gathered) == wanted:
                break
            # a process never conflicts with its own record locks
            if slot not in self._held and self._lock(slot):
                self._held.add(slot)
                self._gathered.append(slot)
        if len(self._gathered) < wanted:
            return None
        taken, self._gathered = self._gathered, []
        self.give_way()
        return taken

    def give_way(self) -> None:
        """Want nothing more: let go of what was gathered and of the ticket."""
        self.release(self._gathered)
        self._gathered = []
        if self._ticket is not None:
            self._unlock(self._ticket)
            self._ticket = None

    def release(self, slots: list[int]) -> None:
        for slot in slots:
            self._unlock(slot)
            self._held.discard(slot)

    def _draw(self) -> int:
        ticket = _TICKETS
        while True:
            other = self._first_lock(ticket, None)
            if other is not None:
                ticket = other + 1
            elif self._lock(ticket):
                return ticket

    def _first_lock(self, start: int, stop: int | None) -> int | None:
        """A byte in this range that another process has locked."""
        if start == stop:
            return None
        length = 0 if stop is None else stop - start  # 0: to the end of all files
        found = first_lock(self._fd, start, length)
        return None if found is None else found[0]

    def _lock(self, byte: int) -> bool:
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except OSError:
            return False
        return True

    def _unlock(self, byte: int) -> None:
        fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, byte)
