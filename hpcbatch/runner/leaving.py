"""Leaving before the last job: signals of a scheduler, markers, the time limit."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from _thread import get_ident
from collections.abc import Iterable
from types import FrameType
from typing import Any

from .segment import Segment

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
WARNINGS = (signal.SIGUSR1, signal.SIGUSR2)
NEAR_SECONDS, NEAR_SHARE = 300.0, 0.1  # of the time limit, whichever is more
SOON = 0.05  # seconds
ASKED_TOO = 1.0  # seconds within which a signal to one process of an element comes to the others
AGAIN_AFTER = 5.0  # seconds: user code swallowed the first signal, or is still cleaning up


class Leave(BaseException):
    """Raised inside a job to end it. No Exception: user code must not swallow it."""


class Leaving:
    """While entered, a signal to leave writes one record and unwinds the running job.

    Idempotent: the first reason stays, and is empty while nobody asked. A signal that comes while
    no job runs (``in_job`` false) waits for the next look at ``reason``, so that no result is
    lost on its way to the disk. ``walltime`` is the element's in seconds; signals of the names
    ``pauses_with`` mean to leave near that limit only: this scheduler sends them before it
    suspends a job, too.
    """

    def __init__(
        self, segment: Segment, walltime: float | None = None, pauses_with: Iterable[str] = ()
    ):
        self.reason = ""
        self.exit_status = 1
        self.in_job = False
        self._segment = segment
        self._ends = None if walltime is None else time.monotonic() + walltime
        self._near = max(NEAR_SECONDS, NEAR_SHARE * (walltime or 0.0))
        self._pauses_with = {signal.Signals[name] for name in pauses_with}
        self._raised = self._raised_before = float("-inf")
        self._raised_by = 0
        self._masks: dict[int, list[set[int | signal.Signals]]] = {}  # of each thread that forks

    def __enter__(self) -> Leaving:
        for number in SIGNALS:
            signal.signal(number, self._asked)
        sys.unraisablehook = self._dropped
        self._register = os.register_at_fork
        self._guard_forks()
        os.register_at_fork = self._register_within_ours
        return self

    def __exit__(self, *_: object) -> None:
        os.register_at_fork = self._register
        for number in SIGNALS:  # the last records are written in peace
            signal.signal(number, signal.SIG_IGN)

    def end(self) -> None:
        """Signals end the process again, as they do any other."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    def leave(self, reason: str, by: int = 0, vague: bool = False) -> None:
        """Tell that the element leaves, because of the signal ``by`` or of its own (0); ``vague``
        where the scheduler may know better why."""
        if not self.reason:
            self.reason, self.exit_status = reason, 128 + by if by else 1
            self._segment.leave(reason, by, vague)

    @property
    def has_raised(self) -> bool:
        """Whether the job was interrupted: what it still returns or raises is not its outcome."""
        return self._raised > float("-inf")

    def seconds_left(self) -> float:
        """Until the element's time limit; infinite without one."""
        return float("inf") if self._ends is None else self._ends - time.monotonic()

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if is_forking(frame):
            send_again(number)
            return
        left = self.seconds_left()
        if number in self._pauses_with and left > self._near:
            return
        now = time.monotonic()
        raises = self.in_job and now - self._raised > AGAIN_AFTER
        if raises:  # noted first: a second signal must not raise in the middle of our record
            self._raised_before, self._raised, self._raised_by = self._raised, now, number
        limit = self._near if number in WARNINGS else 0.0
        is_late = left <= limit or (number in WARNINGS and self._ends is None)
        self.leave("timeout" if is_late else "killed", number, vague=left > limit)
        if raises:
            raise Leave(self.reason)

    def _dropped(self, what: sys.UnraisableHookArgs) -> None:
        """It was raised where Python drops all, such as in a ``__del__``."""
        if isinstance(what.exc_value, Leave):
            self._raised = self._raised_before
            send_again(self._raised_by)
        else:
            sys.__unraisablehook__(what)

    def _guard_forks(self) -> None:
        """A forked worker of the job must die of SIGTERM as always, and never write our segment;
        blocked meanwhile: a signal between fork and child would go to our handler there."""
        self._register(
            before=self._block,
            after_in_parent=self._unblock,
            after_in_child=self._begin_child,
        )

    def _register_within_ours(self, **hooks: Any) -> None:
        """Hooks of modules that a job imports: what is raised there is dropped, and a lock not
        taken, so signals must be blocked before theirs run too (the last registered runs first)."""
        self._register(**hooks)
        self._guard_forks()

    def _block(self) -> None:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self._masks.setdefault(get_ident(), []).append(mask)

    def _unblock(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks[get_ident()].pop())

    def _begin_child(self) -> None:
        self.end()
        self._unblock()


def tell_of_swallowing(job: int) -> None:
    """Into the log of the element, if that takes it."""
    with contextlib.suppress(OSError, ValueError):
        print(
            f"hpcbatch: job {job} was interrupted, and its code caught that (a bare except, except "
            "BaseException, a return in finally, or a library's): what came out of it is dropped",
            file=sys.stderr,
            flush=True,
        )


_HOOKS = {hook.__code__ for hook in (Leaving._block, Leaving._unblock)}


def is_forking(frame: FrameType | None) -> bool:
    """Whether a signal came in a hook of a fork, where all that is raised is dropped."""
    while frame is not None and frame.f_code not in _HOOKS:
        frame = frame.f_back
    return frame is not None


def send_again(number: int) -> None:
    """Send this process the signal once more, in a moment."""
    from threading import Timer

    timer = Timer(SOON, os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()
