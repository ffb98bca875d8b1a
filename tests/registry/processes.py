"""Processes of elements as far as a fold sees them: the records that they write."""

from __future__ import annotations

import itertools
import os
from typing import Any

from hpcbatch.disk.index import make_index
from hpcbatch.disk.records import RecordWriter
from hpcbatch.registry.attempts import read_attempts, write_attempt
from hpcbatch.registry.fold import fold
from hpcbatch.registry.snapshot import Snapshot, read_snapshot
from hpcbatch.words import events
from hpcbatch.words.assignment import Assignment
from hpcbatch.words.events import NO_JOB, pack_text
from hpcbatch.words.layout import TaskLayout, rerun_name, segment_name
from hpcbatch.words.ranges import Ranges
from tests.core import make_attempt, packed_event

_pids = itertools.count(100)


def make_layout(folder: Any, njobs: int) -> TaskLayout:
    """A task's folder with what a fold needs."""
    layout = TaskLayout(str(folder), f"{os.urandom(4).hex()}__x")
    for made in (layout.folder, layout.attempts, layout.segments, layout.logs):
        os.mkdir(made, 0o700)
    make_index(layout.index, njobs)
    return layout


def add_attempt(layout: TaskLayout, number: int, jobs: Any, elements: int = 1) -> None:
    write_attempt(layout, make_attempt(number, Ranges.of(jobs), elements), Assignment())


def fold_once(layout: TaskLayout) -> Snapshot:
    snapshot = read_snapshot(layout.status)
    fold(layout, read_attempts(layout), snapshot)
    return snapshot


class Process:
    """One process of an element; a rerun takes another name while the first is taken."""

    def __init__(self, layout: TaskLayout, attempt: int, element: int):
        self.attempt, self.element, self.pid = attempt, element, next(_pids)
        self.path = f"{layout.segments}/{segment_name(attempt, element)}"
        try:
            self.writer = RecordWriter(self.path)
        except FileExistsError:
            name = rerun_name(attempt, element, "node1", self.pid)
            self.path = f"{layout.segments}/{name}"
            self.writer = RecordWriter(self.path)
        self.tell(events.HELLO, body=self.hello())
        self.ended = False

    def hello(self) -> bytes:
        return pack_text("node1", "boot", str(self.pid * 7), "3.11.7", str(self.pid))

    def tell(self, kind: int, job: int = NO_JOB, **fields: Any) -> None:
        self.writer.append(packed_event(kind, self.attempt, self.element, job, **fields))

    def start(self, job: int) -> None:
        self.tell(events.STARTED, job, started=1.0)

    def done(self, job: int, value: bytes) -> None:
        self.start(job)
        self.tell(events.DONE, job, started=1.0, ended=2.0, body=value)

    def error(self, job: int, message: str = "bad") -> None:
        self.start(job)
        self.tell(events.ERROR, job, body=pack_text("ValueError", message, "Trace\n"))

    def leave(self, reason: str, signal: int = 0, vague: bool = False) -> None:
        self.tell(events.LEAVE, body=pack_text(reason, str(signal), "vague" if vague else ""))

    def end(self) -> None:
        self.tell(events.END)
        self.writer.close()
        self.ended = True
