"""A forked child that tells one thing through a pipe, as its parent sees it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from struct import Struct

from .descendants import kill_descendants

_LENGTH = Struct("<Q")
CLOSED_SECONDS = 0.02  # between two looks at a pipe that nobody has open for writing


class Child:
    """``status``, ``cpu`` (seconds) and ``memory`` (peak bytes) are known once it has died."""

    def __init__(self, pid: int, reading: int):
        self._pid, self._reading = pid, reading
        self._content = bytearray()
        self._is_dead = False
        self.status, self.cpu, self.memory = 0, 0.0, 0

    @staticmethod
    def framed(content: bytes) -> bytes:
        """What a child writes, so that its end is known whoever else holds the pipe."""
        return _LENGTH.pack(len(content)) + content

    def has_told(self, seconds: float) -> bool:
        """Whether all was told; waits for more up to ``seconds``."""
        if select.select([self._reading], [], [], seconds)[0]:
            more = os.read(self._reading, 1 << 20)
            self._content += more
            if not more:  # it closed the pipe: it dies, or opens it again to tell
                time.sleep(min(seconds, CLOSED_SECONDS))
        return self._is_whole()

    def has_died(self) -> bool:
        if not self._is_dead:
            pid, status, usage = os.wait4(self._pid, os.WNOHANG)
            if pid:
                self._note_death(status, usage)
        return self._is_dead

    def told(self) -> bytes | None:
        """What it told, once it has died, or told all; None when it died before it had."""
        while not self._is_whole():
            before = len(self._content)
            self.has_told(0)
            if len(self._content) == before:
                return None
        if not self._is_dead:
            _, status, usage = os.wait4(self._pid, 0)
            self._note_death(status, usage)
        return bytes(self._content[_LENGTH.size :])

    def end(self, patience: float) -> None:
        """Ask it to leave, and kill it after ``patience`` seconds. What it tells is read: it may
        be about to."""
        give_up = time.monotonic() + patience
        with contextlib.suppress(ProcessLookupError):
            if not self._is_dead:
                os.kill(self._pid, signal.SIGTERM)
        while not self.has_died():
            if time.monotonic() > give_up:
                self.kill()
            self.has_told(0.01)

    def kill(self) -> None:
        """End it and all that it started; stopped, it does not see its children die."""
        if self._is_dead:
            return
        os.kill(self._pid, signal.SIGSTOP)
        kill_descendants(self._pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)

    def _is_whole(self) -> bool:
        head = _LENGTH.size
        told = self._content
        return len(told) >= head and len(told) - head >= _LENGTH.unpack_from(told)[0]

    def _note_death(self, status: int, usage: object) -> None:
        self._is_dead, self.status = True, status
        self.cpu = usage.ru_utime + usage.ru_stime  # type: ignore[attr-defined]
        self.memory = usage.ru_maxrss * 1024  # type: ignore[attr-defined]
