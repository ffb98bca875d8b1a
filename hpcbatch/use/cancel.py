"""Ends what has no result yet: a marker that elements and readers obey, then the scheduler."""

from __future__ import annotations

import contextlib
import errno
import time
from dataclasses import replace
from typing import NamedTuple

from ..cluster.cluster import Cluster
from ..registry import tracker
from ..registry.attempts import mark_canceled, read_attempt, submitting, update_attempt
from ..registry.registry import Registry
from ..registry.view import View
from ..words.errors import RegistryUnwritable, SchedulerError
from ..words.layout import TaskLayout
from ..words.model import ALIVE, WENT_WRONG, Attempt, TaskSpec
from ..words.ranges import Ranges
from ..words.text import counted
from .in_doubt import ask, settle
from .job_selection import check_jobs


class Canceled(NamedTuple):
    """How many jobs were canceled, what a scheduler says against it, and what is ``left`` to end by
    itself, and why. Jobs that have not ended yet are counted each time they are canceled."""

    jobs: int
    objections: list[str]
    left: str = ""

    @property
    def is_nothing(self) -> bool:
        return not self.jobs and not self.left


def cancel(registry: Registry, task_id: str, only: Ranges | None = None) -> Canceled:
    """Cancel what is not resolved, or those of the jobs ``only``. Safe to repeat: the scheduler is
    asked again. Raises NotFound, DamagedFile; RegistryUnwritable, but asks the scheduler before."""
    spec = registry.spec(task_id)
    layout = registry.layout(task_id)
    if only is not None:
        check_jobs(spec, only)
    try:
        return _cancel(layout, spec, only)
    except RegistryUnwritable as error:
        if error.errno == errno.ENOLCK:  # another host can do all of it
            raise
        raise _end_unrecorded(layout, spec, only, error) from error


def _cancel(layout: TaskLayout, spec: TaskSpec, only: Ranges | None) -> Canceled:
    with submitting(layout):
        view = tracker.refresh(layout, spec)
        if view.unfolded:
            raise view.unfolded
        alive = view.jobs_in(ALIVE)
        chosen = alive if only is None else alive.common(only)
        objections: list[str] = []
        left = Ranges()
        for attempt in view.attempts:
            if only is None:
                said = _cancel_all(view, attempt)
            else:
                left = left.union(_bound(view, attempt, chosen))
                said = _cancel_some(view, attempt, chosen, alive, only)
            _keep_objections(layout, attempt.number, said)
            objections += said or []
        now = tracker.refresh(layout, spec)  # some have ended meanwhile
    canceled = now.jobs_in(("canceled",)).without(view.jobs_in(("canceled",)))
    ending = chosen.common(now.jobs_in(ALIVE)).without(left)
    return Canceled(len(canceled.union(ending)), objections, _why_left(left))


def _end_unrecorded(
    layout: TaskLayout, spec: TaskSpec, only: Ranges | None, why: RegistryUnwritable
) -> RegistryUnwritable:
    """End what is known on a disk that is full or read-only: what fills it may be the very thing
    to end. Returns what to raise."""
    view = tracker.refresh(layout, spec)
    alive = view.jobs_in(ALIVE)
    chosen = alive if only is None else alive.common(only)
    asked, objections = 0, list[str]()
    for attempt in view.attempts:
        own = attempt.jobs_taken.common(chosen)
        if _is_over(view, attempt) if only is None else not own:
            continue
        if attempt.canceled is None:
            with contextlib.suppress(RegistryUnwritable):  # there may be room for as little
                mark_canceled(layout, attempt, time.time(), None if only is None else own)
        ended = _all_elements(attempt)
        if only is not None:
            ended = _elements_without(view, attempt, own, alive)
        if ended:
            objections += cancel_elements(attempt, ended)
            asked += len(ended.common(attempt.elements))
    if not asked:
        return why
    told = [f"its scheduler was asked to end {counted(asked, 'element')}", *objections]
    return RegistryUnwritable(
        why.errno,
        f"{why} The cancellation of {spec.id} is not recorded in full: {'; '.join(told)}. When "
        "the disk can be written, cancel it again",
    )


def cancel_elements(attempt: Attempt, elements: Ranges) -> list[str]:
    """End elements on their cluster; returns what may not have ended by that."""
    cluster = Cluster.of(attempt)
    objections = []
    known = attempt.known_arrays
    for array in attempt.arrays:
        own = elements.common(Ranges([(array.first, array.first + array.count)]))
        if array.id is not None and own and array in known:
            shift = array.base - array.first
            indices = Ranges((a + shift, b + shift) for a, b in own.runs)
            try:
                cluster.cancel(array.id, None if len(own) == array.count else indices)
            except SchedulerError as error:
                objections.append(f"{cluster.name} objects: {error}")
    return [*objections, *_doubts(attempt)]


def _doubts(attempt: Attempt) -> list[str]:
    """One at most: its arrays are handed in one after another."""
    if not attempt.is_in_doubt:
        return []
    return [
        f"attempt {attempt.number} was interrupted, perhaps while {attempt.cluster} took an array "
        "that it does not list: should that still show up, its elements leave by themselves"
    ]


def _keep_objections(layout: TaskLayout, number: int, said: list[str] | None) -> None:
    """Those of the scheduler, for whoever looks later: what it still has leaves by itself, but is
    there."""
    if said is None:  # nothing was asked of the scheduler
        return
    attempt = read_attempt(layout, number)
    doubts = _doubts(attempt)
    if attempt.objection != (told := "; ".join(each for each in said if each not in doubts)):
        with contextlib.suppress(RegistryUnwritable):  # a full disk: the caller is told in any case
            update_attempt(layout, replace(attempt, objection=told))


def _cancel_all(view: View, attempt: Attempt) -> list[str] | None:
    if _is_over(view, attempt):
        return None
    if attempt.canceled is None:
        mark_canceled(view.layout, attempt, time.time())
    if attempt.is_in_doubt:
        attempt = settle(view, attempt, ask(attempt))
    return cancel_elements(attempt, _all_elements(attempt))


def _is_over(view: View, attempt: Attempt) -> bool:
    return not (
        attempt.is_in_doubt
        or attempt.canceled is not None
        or view.alive_elements(attempt)
        or view.jobs_held_back(attempt)
        or _retriable(view, attempt)
    )


def _all_elements(attempt: Attempt) -> Ranges:
    return Ranges([(0, attempt.plan.elements)])


def _retriable(view: View, attempt: Attempt) -> Ranges:
    """Jobs that have ended, and that whoever tracks the task might submit again."""
    if not attempt.options.retries:
        return Ranges()
    return view.jobs_in(WENT_WRONG).common(attempt.jobs_taken)


def _cancel_some(
    view: View, attempt: Attempt, chosen: Ranges, alive: Ranges, only: Ranges
) -> list[str] | None:
    """Elements that have other jobs to run go on without the chosen ones; see ``_bound``."""
    own = attempt.jobs_taken.common(chosen)
    ended = _retriable(view, attempt).common(only)
    if not (own or ended) or attempt.canceled is not None:
        return None
    mark_canceled(view.layout, attempt, time.time(), own.union(ended))
    elements = _elements_without(view, attempt, own, alive)
    return cancel_elements(attempt, elements) if elements else None


def _elements_without(view: View, attempt: Attempt, own: Ranges, alive: Ranges) -> Ranges:
    """Those that have nothing to run but the jobs ``own``."""
    return Ranges.of(
        element
        for element in view.alive_elements(attempt)
        if (left := attempt.plan.jobs_of(element).common(alive)) and not left.without(own)
    )


def _bound(view: View, attempt: Attempt, chosen: Ranges) -> Ranges:
    """Those of the jobs ``chosen`` that run in one process with others, which go on."""
    if attempt.options.isolates:
        return Ranges()
    running, others = view.jobs_in(("running",)).common(chosen), view.jobs_in(ALIVE).without(chosen)
    bound = Ranges()
    for element in view.alive_elements(attempt) if running else ():
        jobs = attempt.plan.jobs_of(element)
        if jobs.common(others):
            bound = bound.union(jobs.common(running))
    return bound


def _why_left(jobs: Ranges) -> str:
    if not jobs:
        return ""
    told = f"what runs of jobs {jobs} is" if len(jobs) > 1 else f"job {jobs} runs"
    return (
        f"{told} in one process with jobs that go on, and will end by itself: submit with isolate, "
        "or a chunk of 1, where single jobs are to be ended"
    )
