"""What must hold after any chaos: each job done once, and run again only when it was in flight."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import hpcbatch as hb
from hpcbatch.disk.records import read_records
from hpcbatch.registry.attempts import read_attempts
from hpcbatch.registry.snapshot import read_snapshot
from hpcbatch.words import events
from hpcbatch.words.events import Event
from hpcbatch.words.layout import TaskLayout
from hpcbatch.words.model import Attempt

from .traces import Execution, read_executions


class Making(NamedTuple):
    """When somebody asked for an attempt, when they were gone, and whether it takes jobs from
    processes that live."""

    began: float
    ended: float
    revokes: bool


@dataclass
class Verdict:
    executions: list[Execution]
    attempts: list[Attempt]
    interrupted: list[Execution] = field(default_factory=list)  # in flight, and run again
    overtaken: list[Execution] = field(default_factory=list)  # taken from a process that lived

    @property
    def processes(self) -> int:
        return len({execution.process for execution in self.executions})


def judge(task: hb.Task, traces: Path, makings: Sequence[Making]) -> Verdict:
    """The task must be finished, and nothing of it alive."""
    folder = Path(task.folder)
    layout = TaskLayout(str(folder.parent), folder.name)
    verdict = Verdict(read_executions(traces), read_attempts(layout))
    _check_results(task, layout, verdict)
    _check_each_element_ran_once(verdict)
    _check_repetitions(layout, verdict, makings)
    return verdict


def _check_results(task: hb.Task, layout: TaskLayout, verdict: Verdict) -> None:
    """One record a job, which is what ``collect`` tells, and what an execution returned."""
    values = task.collect()
    assert [value[0] for value in values] == [job * job for job in range(len(task))]
    completed = {(e.job, e.attempt, e.pid) for e in verdict.executions if e.ended is not None}
    assert {(job, *value[1:]) for job, value in enumerate(values)} <= completed
    committed = read_snapshot(layout.status).committed
    told = (Event.unpack(payload) for _, payload in read_records(layout.results, 0, committed))
    results = Counter(event.job for event in told if event.kind == events.DONE)
    assert results == Counter(range(len(task)))


def _check_each_element_ran_once(verdict: Verdict) -> None:
    """Nothing here is requeued: one process an element, which runs jobs of its own, each once."""
    owners = Counter((a, e) for a, e, _ in {one.process for one in verdict.executions})
    assert not [owner for owner, count in owners.items() if count > 1]
    attempts = {attempt.number: attempt for attempt in verdict.attempts}
    strays = [one for one in verdict.executions if not _belongs(one, attempts[one.attempt])]
    assert not strays
    runs = Counter((one.attempt, one.job) for one in verdict.executions)
    assert not [run for run, count in runs.items() if count > 1]


def _belongs(execution: Execution, attempt: Attempt) -> bool:
    """Whether its job is its element's, of an array that was not given up."""
    own = attempt.plan.element_of(execution.job) == execution.element
    return own and execution.element in attempt.elements


def _check_repetitions(layout: TaskLayout, verdict: Verdict, makings: Sequence[Making]) -> None:
    """A job ran again only when its result was not on disk at the moment when somebody asked for
    the attempt that ran it again."""
    left = read_snapshot(layout.status).endings
    makers = {
        attempt.number: _makers(attempt, makings)
        for attempt in verdict.attempts
        if attempt.submitted_arrays
    }
    earlier: dict[int, list[Execution]] = {}
    for again in sorted(verdict.executions, key=lambda execution: execution.attempt):
        asked = min(making.began for making in makers[again.attempt])
        revoked = any(making.revokes for making in makers[again.attempt])
        for before in earlier.get(again.job, ()):
            is_regular = before.element not in left.get(before.attempt, {})
            stored = before.went_on or (before.exited if is_regular else None)
            if stored is None:
                _note(verdict.interrupted, before)
            else:
                told = f"{before} was stored {asked - stored:.3f} s before somebody asked: {again}"
                assert stored >= asked, told
                told = f"{before} was thought dead, and went on: {again}"
                assert revoked or _is_canceled(layout, before), told
                _note(verdict.overtaken, before)
        earlier.setdefault(again.job, []).append(again)
    repeated = len(verdict.interrupted) + len(verdict.overtaken)
    assert len(verdict.executions) == len(earlier) + repeated


def _makers(attempt: Attempt, makings: Sequence[Making]) -> list[Making]:
    found = [making for making in makings if making.began <= attempt.created <= making.ended]
    assert found, f"nobody asked for attempt {attempt.number} at {attempt.created}: {makings}"
    return found


def _note(known: list[Execution], execution: Execution) -> None:
    if execution not in known:
        known.append(execution)


def _is_canceled(layout: TaskLayout, execution: Execution) -> bool:
    """Whether somebody canceled the job in that attempt."""
    try:
        marker = json.loads(Path(layout.attempt(execution.attempt).canceled).read_text())
    except FileNotFoundError:
        return False
    runs = marker["jobs"]
    return runs is None or any(start <= execution.job < stop for start, stop in runs)
