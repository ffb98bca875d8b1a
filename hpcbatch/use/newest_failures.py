"""The failures that a person who watches a task wants to see: the newest few."""

from __future__ import annotations

from heapq import nlargest
from itertools import islice

from ..disk.index import Entry, read_entries
from ..registry import tracker
from ..registry.registry import Registry
from ..registry.results import Results
from ..registry.view import View
from ..words.errors import DamagedFile, JobError
from ..words.model import STATES, WENT_WRONG
from ..words.ranges import Ranges
from .describe import job_error

COMPARED = 10_000  # failures; a look at more would take long


def newest_failures(registry: Registry, task_id: str, limit: int) -> list[JobError]:
    """Jobs in error or expired, the newest first; where very many failed, the newest of those with
    the lowest numbers. Asks no scheduler."""
    view = tracker.refresh(registry.layout(task_id), registry.spec(task_id))
    failed = Ranges.of(islice(view.jobs_in(WENT_WRONG), COMPARED))
    entries = read_entries(view.layout.index, failed)
    newest = nlargest(limit, failed, key=lambda job: _moment(view, job, entries.get(job)))
    with Results(view.layout) as results:
        return [_failure(view, results, job, entries.get(job)) for job in newest]


def _moment(view: View, job: int, entry: Entry | None) -> float:
    """When the job ended, or was found to have ended."""
    if entry is not None and entry.ended:
        return entry.ended
    owner = view.owner(job)
    ending = None if owner is None else view.ending(owner[0], owner[1])
    return 0.0 if ending is None else ending.time or 0.0


def _failure(view: View, results: Results, job: int, entry: Entry | None) -> JobError:
    state = STATES[view.states[job]]
    try:
        return job_error(view, results, job, state, entry)
    except DamagedFile as error:
        return JobError(job, state, "DamagedFile", str(error))
