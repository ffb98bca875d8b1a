"""Runs one element of an attempt on a compute node: its jobs, one after another, in one process.

Called by the rendered script as ``python runner-<hash>.pyz TASK-FOLDER ATTEMPT ELEMENT``.
Exit status: 0 every job has a result, 1 some jobs have none, 128 + signal when asked to leave,
74 when the disk could not be written (EX_IOERR, sysexits(3)).
"""

from __future__ import annotations

import contextlib
import errno
import json
import sys
import time
from collections.abc import Iterator

from ..disk import index
from ..disk.files import read
from ..disk.packed import PackedReader
from ..words import events
from ..words.assignment import Assignment
from ..words.errors import DamagedFile
from ..words.layout import TaskLayout, segment_name
from ..words.plan import Plan
from ..words.ranges import Ranges
from . import code, seeding
from .calls import JobCalls
from .done_before import done_in_segments, is_done
from .leaving import Leave, Leaving
from .markers import LOOK_EVERY, Markers
from .segment import Segment

RESULTS = (events.DONE, events.DONE_ASIDE)


def main(arguments: list[str]) -> int:
    folder, attempt, element = arguments[0], int(arguments[1]), int(arguments[2])
    sys.argv = [sys.argv[0]]  # a job that parses arguments must not find ours
    root, _, task_id = folder.rpartition("/")
    try:
        return Element(TaskLayout(root, task_id), attempt, element).run()
    except OSError as error:
        why = ": a job closed files that were not its own" if error.errno == errno.EBADF else ""
        print(f"hpcbatch: element {element} stops: {error}{why}", file=sys.stderr)
        return 74


class Element:
    """One process of an attempt."""

    def __init__(self, layout: TaskLayout, attempt: int, number: int):
        self.layout, self.attempt, self.number = layout, attempt, number
        self.began = time.monotonic()
        plan = json.loads(read(layout.attempt(attempt).plan))
        self.assignment = Assignment.from_json(plan)
        self.suspects = Ranges((a, b) for a, b in self.assignment.suspects)
        self.jobs = Plan.from_json(plan).jobs_of(number)
        self.markers = Markers(layout.attempt(attempt))
        self.failed = 0
        self.looked = self.began
        self.done: set[int] = set()

    def run(self) -> int:
        self.segment = Segment(self.layout, self.attempt, self.number)
        walltime, pauses_with = self.assignment.element_walltime, self.assignment.pauses_with
        leaving = Leaving(self.segment, walltime, pauses_with)
        try:
            with leaving, code.on_path(self.layout.folder, self.assignment):
                self._run_jobs(leaving)
        except Leave:
            from .descendants import end_descendants

            end_descendants()
        except OSError:
            with contextlib.suppress(OSError):  # what is held back is a result
                self.segment.close()
            raise
        self.segment.close()
        leaving.end()
        if leaving.reason:
            return leaving.exit_status
        return 1 if self.failed else 0

    def _run_jobs(self, leaving: Leaving) -> None:
        if not all(map(is_done, self.assignment.after_ok)):
            leaving.leave("dependency")
            return
        seeding.install(self.assignment.seed)
        calls = JobCalls(self.layout, self.assignment, self.markers, leaving)
        begun = False
        for job, payload in self._inputs():
            reason, unwanted = self.markers.look(job)
            if begun and not reason and not self._is_time_for_one_more():
                reason = "timeout"
            if reason := leaving.reason or reason:
                leaving.leave(reason)
                return
            if not unwanted and not self._was_done_meanwhile(job):
                begun = True
                started = self.segment.start(job)
                seeding.seed_job(job)
                outcome = calls.outcome(job, payload)
                if outcome is not None:
                    self.segment.finish(job, started, outcome)
                if outcome is None or outcome.kind not in RESULTS:
                    self.failed += 1
                else:
                    calls.finished(job, self.segment)

    def _was_done_meanwhile(self, job: int) -> bool:
        """Whether an element of another attempt has done it; asked at most once a second."""
        now = time.monotonic()
        if now - self.looked > LOOK_EVERY:
            self.looked = now
            with contextlib.suppress(OSError):  # a disk that fails for a moment: not known
                self.done = self._folded()
        return job in self.done

    def _inputs(self) -> Iterator[tuple[int, bytes | DamagedFile]]:
        left = self.jobs.without(Ranges.of(self._done_before()))
        suspects = left.common(self.suspects)
        reader = PackedReader(self.layout.inputs)
        for jobs in (left.without(suspects), *self._by_last_try(suspects)):
            yield from reader.read(jobs)

    def _by_last_try(self, suspects: Ranges) -> list[Ranges]:
        """Whose last try is the longest ago comes first: none dies with the same one for ever."""
        if not suspects:
            return []
        entries = index.read_entries(self.layout.index, suspects)
        tries = {job: entries[job].attempt if job in entries else 0 for job in suspects}
        return [
            Ranges.of(job for job in suspects if tries[job] == attempt)
            for attempt in sorted(set(tries.values()))
        ]

    def _done_before(self) -> set[int]:
        """Jobs that have a result: from folds, and from an earlier run of this same element."""
        done = self._folded()
        if not self.segment.is_rerun:
            return done
        first = segment_name(self.attempt, self.number)
        return done | done_in_segments(self.layout, first[:-3]) | self._folded()

    def _folded(self) -> set[int]:
        entries = index.read_entries(self.layout.index, self.jobs)
        return {job for job, entry in entries.items() if entry.said == index.DONE}

    def _is_time_for_one_more(self) -> bool:
        per_job, whole = self.assignment.job_walltime, self.assignment.element_walltime
        return not per_job or not whole or time.monotonic() - self.began + per_job <= whole
