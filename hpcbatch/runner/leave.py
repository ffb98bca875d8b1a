"""Leaving before the last job: signals of a scheduler, markers, the time limit."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType

from .segment import Segment

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


class Leave(BaseException):
    """Raised inside a job to end it. No Exception: user code must not swallow it."""


class Leaving:
    """While entered, a signal to leave writes one record and unwinds the running job.

    Idempotent: the first reason stays. ``reason`` is empty while nobody asked. A signal that
    comes while no job runs (``in_job`` false) waits for the next look at ``reason``, so that no
    result is lost on its way to the disk.
    """

    def __init__(self, segment: Segment):
        self.reason = ""
        self.exit_status = 1
        self.in_job = False
        self._segment = segment
        self._masks: list[set[int | signal.Signals]] = []

    def __enter__(self) -> Leaving:
        for number in SIGNALS:
            signal.signal(number, self._asked)
        # a forked worker of the job must die of SIGTERM as always, and never write our segment;
        # blocked meanwhile: a signal between fork and child would go to our handler there
        os.register_at_fork(
            before=self._block,
            after_in_parent=self._unblock,
            after_in_child=self._begin_child,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number in SIGNALS:  # the last records are written in peace
            signal.signal(number, signal.SIG_IGN)

    def end(self) -> None:
        """Signals end the process again, as they do any other."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    def leave(self, reason: str, exit_status: int = 1) -> None:
        if not self.reason:
            self.reason, self.exit_status = reason, exit_status
            self._segment.leave(reason)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if not self.reason:
            self.leave(f"signal {signal.Signals(number).name}", 128 + number)
            if self.in_job:
                raise Leave(self.reason)

    def _block(self) -> None:
        self._masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS))

    def _unblock(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.pop())

    def _begin_child(self) -> None:
        self.end()
        self._unblock()
