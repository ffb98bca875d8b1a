"""Why jobs have no result, many at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from ..disk.index import BEGUN, ERROR, EXPIRED, read_entries
from ..registry.view import View
from ..words.errors import DamagedFile
from ..words.model import Attempt
from ..words.ranges import Ranges

PREEMPTED = "preempted"
BLOCK = 1000  # entries read at once


class FailedJobs(NamedTuple):
    """Jobs of one attempt that failed for one reason; ``tried``: they began there. Without an
    ``element``, each ended alone."""

    attempt: Attempt
    jobs: Ranges
    reason: str
    tried: bool = True
    element: int | None = None


def last_attempts(view: View) -> Iterator[tuple[Attempt, Ranges]]:
    """Newest first, each with the jobs that no later one has taken."""
    left = Ranges([(0, view.spec.njobs)])
    for attempt in reversed(view.attempts):
        own = attempt.jobs_taken.common(left)
        left = left.without(own)
        if own:
            yield attempt, own


def begun_last(view: View) -> Ranges:
    """The jobs that began in the last attempt that took them, and never told an end."""
    begun = view.jobs_saying(BEGUN)
    if not begun:
        return begun
    entries = read_entries(view.layout.index, begun)
    return Ranges.of(
        job
        for attempt, own in last_attempts(view)
        for job in own.common(begun)
        if (entry := entries.get(job)) is not None and entry.attempt == attempt.number
    )


def failures(view: View) -> Iterator[FailedJobs]:
    """All jobs in error or expired, each with its last attempt."""
    expired = view.jobs_in(("expired",))
    errors = view.jobs_saying(ERROR)
    if not expired and not errors:
        return
    alone, begun = view.jobs_saying(EXPIRED), begun_last(view)
    for attempt, own in last_attempts(view):
        if failed := errors.common(own):
            yield FailedJobs(attempt, failed, "error")
        yield from _of_their_own(view, attempt, alone.common(own))
        lost = expired.common(own).without(alone)
        for element, ending in view.snapshot.endings.get(attempt.number, {}).items():
            gone = attempt.plan.jobs_of(element).common(lost)
            tried = gone.common(begun)
            for jobs, is_tried in ((tried, True), (gone.without(tried), False)):
                if jobs:
                    yield FailedJobs(attempt, jobs, ending.reason, is_tried, element)


def counts(view: View, failure: FailedJobs) -> bool:
    """Whether that was a try of theirs. Preemption is no fault of a job, nor is the end of an
    element that ran others and never came to it. One that ran no job would do so again: it counts.
    """
    if failure.reason == PREEMPTED:
        return False
    return failure.tried or not _ran_any(view, failure)


def reasons(view: View) -> dict[str, int]:
    """How many jobs expired for which reason."""
    found: Counter[str] = Counter()
    for failure in failures(view):
        if failure.reason != "error":
            found[failure.reason] += len(failure.jobs)
    return dict(found)


def _of_their_own(view: View, attempt: Attempt, jobs: Ranges) -> Iterator[FailedJobs]:
    """Jobs whose own process ended without a result."""
    from ..registry.results import Results  # which a status of a task without failures lacks

    found: dict[str, list[int]] = {}
    with Results(view.layout) as results:
        for job, entry in read_entries(view.layout.index, jobs).items():
            try:
                reason = results.ending(job, entry, "").reason
            except DamagedFile:
                reason = "damaged"
            found.setdefault(reason, []).append(job)
    for reason, members in found.items():
        yield FailedJobs(attempt, Ranges.of(members), reason)


def _ran_any(view: View, failure: FailedJobs) -> bool:
    """Whether the element ran a job in this very attempt."""
    if failure.element is None:
        return True
    told = failure.attempt.plan.jobs_of(failure.element)
    return any(
        entry.attempt == failure.attempt.number
        for first in range(0, len(told), BLOCK)
        for entry in read_entries(view.layout.index, told.slice(first, first + BLOCK)).values()
    )
