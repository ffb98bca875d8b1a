"""Each job in a process of its own: one that dies, or takes too long, harms no other."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import stat
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from ..words import events
from ..words.events import pack_text
from .child import Child
from .descendants import end_descendants
from .job import JobCall
from .leaving import ASKED_TOO, SIGNALS, Leave, is_forking, send_again, tell_of_swallowing
from .outcome import Outcome

LOOK_SECONDS = 0.2  # between two looks at a child that says nothing
TIMEOUT = "timeout"
PATIENCE = 20.0  # seconds that a child has to leave; its scheduler may well give it less
CLEANS_UP = 5.0  # the same where it is ended alone, and has no checkpoint to keep


class IsolatedCall:
    """Does what ``call`` does, in a forked child for each job.

    ``timeout`` in seconds is one job's. ``unwanted`` is asked now and then while a job runs: a
    reason other than the empty one ends it.
    """

    def __init__(self, call: JobCall, timeout: float | None, unwanted: Callable[[int], str]):
        self._call, self._timeout, self._unwanted = call, timeout, unwanted

    def __call__(self, job: int, payload: Any) -> Outcome | None:
        """None for a job that was ended because it is no longer wanted."""
        self._call.prepare()
        reading, writing = os.pipe()
        clock, log_begin, killed_before = time.monotonic(), self._call.log_position(), oom_kills()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            self._live(job, payload, ChildPipe(reading, writing))
        os.close(writing)
        child = Child(pid, reading)
        try:
            reason = self._watch(job, child, clock)
            told = child.told()
            if told is None and reason not in ("", TIMEOUT):
                return None
            outcome = _unpacked(told) if told else _death(child, reason, killed_before)
            outcome.memory = max(outcome.memory, child.memory)
            outcome.log_begin, outcome.log_end = log_begin, self._call.log_position()
            return outcome
        except Leave:
            child.end(PATIENCE)
            raise
        finally:
            os.close(reading)

    def _live(self, job: int, payload: Any, pipe: ChildPipe) -> NoReturn:
        """The child: one job, its outcome into the pipe, and the end."""
        status, asked = 0, 0
        try:
            leaving = _Leaving()
            self._call.be_child()
            outcome = self._call(job, payload)
            if leaving.by:
                tell_of_swallowing(job)
                raise Leave(leaving.by.name)
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            content = _packed(outcome)
            with open(pipe.descriptor(), "wb") as file:
                file.write(Child.framed(content))
        except Leave as leave:
            self._call.save_checkpoint(job)
            end_descendants()
            asked = signal.Signals[str(leave)]
            status = 128 + asked
        except BaseException:
            sys.excepthook(*sys.exc_info())
            status = 70
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            if asked:  # it dies of that, so that everybody can see it
                signal.signal(asked, signal.SIG_DFL)
                os.kill(os.getpid(), asked)
            os._exit(status)

    def _watch(self, job: int, child: Child, clock: float) -> str:
        """Wait for the outcome or the death of the child; returns why we ended it, if we did."""
        reason = ""
        while not child.has_told(LOOK_SECONDS) and not child.has_died():
            if not reason:
                late = self._timeout is not None and time.monotonic() - clock > self._timeout
                reason = TIMEOUT if late else self._unwanted(job)
                if reason:
                    child.end(PATIENCE if self._call.has_checkpoint else CLEANS_UP)
        return reason


class ChildPipe:
    """A child's way to tell its parent, who reads; to be made right after the fork. A job may
    close all that it finds open, and get the same number for a file of its own."""

    def __init__(self, reading: int, writing: int):
        self._parent, self._reading, self._writing = os.getppid(), reading, writing
        self._identity = os.fstat(writing).st_ino

    def descriptor(self) -> int:
        """Raises OSError."""
        with contextlib.suppress(OSError):
            if self._is_it(self._writing):
                return self._writing
        again = os.open(f"/proc/{self._parent}/fd/{self._reading}", os.O_WRONLY)
        if not self._is_it(again):
            raise ProcessLookupError("the element has ended")
        return again

    def _is_it(self, fd: int) -> bool:
        found = os.fstat(fd)
        return stat.S_ISFIFO(found.st_mode) and found.st_ino == self._identity


def _death(child: Child, reason: str, killed_before: int) -> Outcome:
    """What is told of a child that died without an outcome."""
    code = os.waitstatus_to_exitcode(child.status)
    if not reason and -code in (*SIGNALS, signal.SIGKILL):
        time.sleep(ASKED_TOO)  # when all of us were asked to leave, this ends by Leave
    if not reason and oom_kills() > killed_before:
        reason = "out-of-memory"
    if not reason:
        reason = "killed" if code < 0 else f"exit-code {code}"
    outcome = Outcome(events.EXPIRED, pack_text(reason, str(max(code, 0)), str(max(-code, 0))))
    outcome.cpu = child.cpu
    return outcome


def _packed(outcome: Outcome) -> bytes:
    return pickle.dumps([getattr(outcome, name) for name in Outcome.__slots__])


def _unpacked(content: bytes) -> Outcome:
    outcome = Outcome(0, b"")
    for name, value in zip(Outcome.__slots__, pickle.loads(content), strict=True):
        setattr(outcome, name, value)
    return outcome


def oom_kills() -> int:
    """How often the kernel killed for memory in our control group (cgroups(7)); 0 if unknown."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        with open("/proc/self/cgroup") as file:
            groups = [line.rstrip("\n").split(":", 2) for line in file]
        path = next(path for _, kinds, path in groups if kinds in ("", "memory"))
        for name in (
            f"/sys/fs/cgroup{path}/memory.events",
            f"/sys/fs/cgroup/memory{path}/memory.oom_control",
        ):
            with contextlib.suppress(OSError), open(name) as file:
                told = dict(line.split() for line in file)
                return int(told.get("oom_kill", 0))
    return 0


class _Leaving:
    """In the child: the first signal to leave interrupts the job, ``by`` that one; see the
    element's ``Leaving``."""

    def __init__(self) -> None:
        self.by: signal.Signals | None = None
        self._before: signal.Signals | None = None
        sys.unraisablehook = self._dropped
        self._listen()

    def _listen(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._leave)

    def _leave(self, number: int, frame: FrameType | None) -> None:
        if is_forking(frame):
            send_again(number)
            return
        signal.signal(number, signal.SIG_IGN)
        self._before, self.by = self.by, signal.Signals(number)
        raise Leave(self.by.name)

    def _dropped(self, what: sys.UnraisableHookArgs) -> None:
        if isinstance(what.exc_value, Leave):
            self.by = self._before
            self._listen()
            send_again(signal.SIGTERM)
        else:
            sys.__unraisablehook__(what)
