"""Runs one element of an attempt on a compute node: its jobs, one after another, in one process.

Called by the rendered script as ``python runner-<hash>.pyz TASK-FOLDER ATTEMPT ELEMENT``.
Exit status: 0 every job has a result, 1 some jobs ended in an error, 128 + signal when asked to
leave, 74 when the disk could not be written (EX_IOERR, sysexits(3)).
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from ..disk import index
from ..disk.files import read
from ..disk.packed import PackedReader
from ..disk.records import read_records
from ..words import events
from ..words.errors import DamagedFile
from ..words.layout import TaskLayout, segment_name
from ..words.plan import Plan
from ..words.ranges import Ranges
from . import code, seeding
from .job import Call
from .leave import Leave, Leaving
from .segment import Segment

MARKERS_EVERY = 1.0  # seconds between two looks for the revoked and canceled markers


def main(arguments: list[str]) -> int:
    folder, attempt, element = arguments[0], int(arguments[1]), int(arguments[2])
    sys.argv = [sys.argv[0]]  # a job that parses arguments must not find ours
    root, _, task_id = folder.rpartition("/")
    try:
        return Element(TaskLayout(root, task_id), attempt, element).run()
    except OSError as error:
        print(f"hpcbatch: element {element} stops: {error}", file=sys.stderr)
        return 74


class Element:
    """One process of an attempt."""

    def __init__(self, layout: TaskLayout, attempt: int, number: int):
        self.layout, self.attempt, self.number = layout, attempt, number
        self.paths = layout.attempt(attempt)
        self.orders: dict[str, Any] = json.loads(read(self.paths.plan))
        jobs = Ranges((a, b) for a, b in self.orders["jobs"])
        self.jobs = Plan(jobs, self.orders["elements"]).jobs_of(number)
        self.began = time.monotonic()
        self.failed = 0
        self._looked = 0.0
        self._begun_any = False

    def run(self) -> int:
        self.segment = Segment(self.layout, self.attempt, self.number)
        leaving = Leaving(self.segment)
        left = False
        try:
            with leaving, code.on_path(self.layout.code):
                self._run_jobs(leaving)
        except Leave:
            left = True
        self.segment.close()
        leaving.end()
        if left or leaving.reason:
            return leaving.exit_status
        return 1 if self.failed else 0

    def _run_jobs(self, leaving: Leaving) -> None:
        seeding.install(self.orders["seed"])
        call = Call(self._function(), self.orders["kind"], self.orders["names"])
        for job, payload in self._inputs():
            reason = leaving.reason or self._stop_reason()
            if reason:
                leaving.leave(reason)
                return
            started = self.segment.start(job)
            seeding.seed_job(job)
            leaving.in_job = True
            outcome = call(payload)
            leaving.in_job = False
            self.segment.finish(job, started, outcome)
            self.failed += outcome.kind == events.ERROR

    def _function(self) -> str:
        mended = self.paths.function
        return mended if os.path.exists(mended) else self.layout.function

    def _inputs(self) -> Iterator[tuple[int, bytes | DamagedFile]]:
        done = self._done_before()
        todo = Ranges.of(job for job in self.jobs if job not in done) if done else self.jobs
        return PackedReader(self.layout.inputs).read(todo)

    def _done_before(self) -> set[int]:
        """Jobs that have a result: from folds, and from an earlier run of this same element."""
        done = self._folded()
        if not self.segment.is_rerun:
            return done
        first = segment_name(self.attempt, self.number)
        for name in os.listdir(self.layout.segments):
            if name.startswith(first[:-3]) and name != self.segment.name:
                with contextlib.suppress(FileNotFoundError):  # folded and unlinked meanwhile
                    done |= _done_in(f"{self.layout.segments}/{name}")
        return done | self._folded()

    def _folded(self) -> set[int]:
        entries = index.read_entries(self.layout.index, self.jobs)
        return {job for job, entry in entries.items() if entry.said == index.DONE}

    def _stop_reason(self) -> str:
        now = time.monotonic()
        if now - self._looked > MARKERS_EVERY:
            self._looked = now
            for marker in (self.paths.revoked, self.paths.canceled):
                if os.path.exists(marker):
                    return os.path.basename(marker)
        per_job, whole = self.orders.get("job_walltime"), self.orders.get("element_walltime")
        first, self._begun_any = not self._begun_any, True
        if per_job and whole and not first and now - self.began + per_job > whole:
            return "timeout"
        return ""


def _done_in(path: str) -> set[int]:
    told = (events.Event.unpack(payload) for _, payload in read_records(path))
    return {event.job for event in told if event.kind in (events.DONE, events.DONE_ASIDE)}
