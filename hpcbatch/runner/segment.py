"""The one file that this process writes: what happened to each job, in order."""

from __future__ import annotations

import os
import sys
import time
from zlib import crc32

from ..disk.boot_id import boot_id
from ..disk.files import append
from ..disk.records import RecordWriter
from ..words import events
from ..words.events import HEAD, NO_JOB, pack_text
from ..words.layout import TaskLayout, rerun_name, segment_name
from .outcome import Outcome

NO_OUTCOME = Outcome(0, b"")
ASIDE = 1 << 20  # bytes; a larger value goes to a side file and is never copied by a fold


class Segment:
    """Appends this process's events. A signal handler may call ``leave`` at any moment."""

    def __init__(self, layout: TaskLayout, attempt: int, element: int):
        self.attempt, self.element = attempt, element
        self.name = segment_name(attempt, element)
        self.is_rerun = False
        own_name = rerun_name(attempt, element, os.uname().nodename, os.getpid())
        try:
            self._writer = RecordWriter(f"{layout.segments}/{self.name}")
        except FileExistsError:
            self.is_rerun = True
            self.name = own_name
            self._writer = RecordWriter(f"{layout.segments}/{self.name}")
        # unlike the segment's, this name never comes again: values outlive their segment
        self._values_path = f"{layout.values}/{own_name[: -len('.seg')]}.val"
        self._values: int | None = None
        self._values_end = 0
        self._held = [self._event(events.HELLO, started=time.time(), body=pack_text(*whoami()))]
        self._writing = False
        self._leave: bytes | None = None
        self.job = NO_JOB

    def start(self, job: int) -> float:
        """Tell that ``job`` begins, and everything held back; returns the time."""
        now = time.time()
        self.job = job
        self._write(self._event(events.STARTED, job, started=now))
        return now

    def finish(self, job: int, started: float, outcome: Outcome) -> None:
        """Hold the job's record back until the next job is told: one write does for both."""
        kind, body = outcome.kind, outcome.body
        if kind == events.DONE and len(body) > ASIDE:
            kind, body = events.DONE_ASIDE, self._put_aside(body)
        self._held.append(self._event(kind, job, started, time.time(), outcome, body))
        self.job = NO_JOB

    def leave(self, reason: str, signal: int, vague: bool) -> None:
        body = pack_text(reason, str(signal), "vague" if vague else "")
        event = self._event(events.LEAVE, self.job, started=time.time(), body=body)
        if self._writing:  # called by a signal handler in the middle of a write
            self._leave = event
            return
        try:
            self._write(event)
        except OSError:  # a full disk must not keep a job from leaving: close() tells of it
            self._leave = event

    def flush(self) -> None:
        """Write what is held back. Raises OSError when the disk does not take it."""
        self._write()

    def close(self) -> None:
        """Write what is left, and the end. Raises OSError when the disk does not take it."""
        self._write(self._event(events.END, ended=time.time()))
        self._sync_values()
        self._writer.close()

    def _event(
        self,
        kind: int,
        job: int = NO_JOB,
        started: float = 0.0,
        ended: float = 0.0,
        outcome: Outcome = NO_OUTCOME,
        body: bytes = b"",
    ) -> bytes:
        head = HEAD.pack(
            kind,
            self.attempt,
            self.element,
            job,
            started,
            ended,
            outcome.memory,
            outcome.log_begin,
            outcome.log_end,
            outcome.cpu,
        )
        return head + body

    def _write(self, *payload: bytes) -> None:
        self._writing = True
        try:
            before = [self._leave] if self._leave is not None else []  # which the disk did not take
            self._writer.append(*self._held, *before, *payload)
            self._held.clear()
            if before and self._leave is before[0]:  # else a signal has come meanwhile
                self._leave = None
        finally:
            self._writing = False
        if self._leave is not None:
            late, self._leave = self._leave, None
            self._write(late)

    def _put_aside(self, value: bytes) -> bytes:
        if self._values is None:
            os.makedirs(os.path.dirname(self._values_path), 0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._values = os.open(self._values_path, flags, 0o600)
        begin = self._values_end
        self._values_end = append(self._values, value, begin)
        self._sync_values()  # before the record that refers to it
        name = os.path.basename(self._values_path)
        return pack_text(name, str(begin), str(len(value)), str(crc32(value)))

    def _sync_values(self) -> None:
        if self._values is not None:
            os.fsync(self._values)


def whoami() -> tuple[str, str, str, str, str]:
    """Host, boot id, start time (clock ticks since boot), Python version and pid of this process.

    Together they name a process for ever: a pid alone is used again (proc(5), field 22 of stat).
    """
    try:
        with open("/proc/self/stat") as stat:
            ticks = stat.read().rpartition(")")[2].split()[19]
    except OSError:
        ticks = ""
    version = ".".join(map(str, sys.version_info[:3]))
    return os.uname().nodename, boot_id(), ticks, version, str(os.getpid())
