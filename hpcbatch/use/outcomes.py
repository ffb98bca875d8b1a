"""What came of the jobs of a task: states, results, failures, logs. Plain data out; every door of
the house calls these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..disk.index import DONE, ERROR, EXPIRED, read_entries, read_places
from ..registry import tracker
from ..registry.attempts import read_attempts
from ..registry.registry import Registry
from ..registry.results import Results
from ..words.errors import DamagedFile, JobError
from ..words.model import STATES
from ..words.ranges import Ranges
from ..words.status import JobInfo, known_states
from .chosen import check_jobs
from .describe import job_error, job_info, log_path, read_log
from .unsubmitted import refusal
from .update import update


def jobs(
    registry: Registry,
    task_id: str,
    states: str | Sequence[str] | None = None,
    only: Ranges | None = None,
) -> list[JobInfo]:
    """The jobs in some of the states (None: in any), in order. Raises UsageError, NotFound."""
    wanted = known_states(states)
    spec = registry.spec(task_id)
    view, _ = update(registry, spec)
    chosen = view.jobs_in(wanted) if wanted else Ranges([(0, spec.njobs)])
    if only is not None:
        check_jobs(spec, only)
        chosen = Ranges.of(job for job in only if job in chosen)
    entries = read_entries(view.layout.index, chosen)
    column = view.states
    with Results(view.layout) as results:
        return [
            job_info(view, results, job, STATES[column[job]], entries.get(job)) for job in chosen
        ]


def collect(
    registry: Registry, task_id: str, only: Ranges | None = None
) -> Iterator[tuple[int, bytes | JobError]]:
    """(job, pickled value or why there is none) of all jobs, or of some, in order."""
    spec = registry.spec(task_id)
    view, _ = update(registry, spec)
    wanted = only if only is not None else Ranges([(0, spec.njobs)])
    check_jobs(spec, wanted)
    entries = read_entries(view.layout.index, wanted.without(view.jobs_saying(DONE)))
    column = view.states
    with Results(view.layout) as results:
        for job, said, place in read_places(view.layout.index, wanted):
            try:
                if said == DONE:
                    yield job, results.value(job, place)
                else:
                    yield job, job_error(view, results, job, STATES[column[job]], entries.get(job))
            except DamagedFile as error:
                yield job, JobError(job, "error", "DamagedFile", str(error))


def errors(registry: Registry, task_id: str) -> list[JobError]:
    """Jobs that failed, with what is known of why: errors, expired and canceled ones, and those
    that a cluster refused."""
    spec = registry.spec(task_id)
    view, _ = update(registry, spec)
    refused = ("defined",) if refusal(view) else ()
    failed = view.jobs_in(("error", "expired", "canceled", *refused))
    return [found for _, found in collect(registry, task_id, failed) if isinstance(found, JobError)]


def log(registry: Registry, task_id: str, job: int) -> str:
    """What a job printed; the whole log of its element where its part is not known."""
    spec = registry.spec(task_id)
    check_jobs(spec, Ranges([(job, job + 1)]))
    view = tracker.refresh(registry.layout(task_id), spec)
    entry = read_entries(view.layout.index, Ranges([(job, job + 1)])).get(job)
    if entry is not None and entry.said in (DONE, ERROR, EXPIRED):
        with Results(view.layout) as results:
            event = results.event(job, entry)
        return read_log(view, entry.attempt, entry.element, event.log_begin, event.log_end)
    owner = view.owner(job)
    return "" if owner is None else read_log(view, owner[0].number, owner[1])


def element_log(registry: Registry, task_id: str, attempt: int, element: int, begin: int) -> bytes:
    """An element's log from the byte ``begin``; empty where there is nothing (yet)."""
    layout = registry.layout(task_id)
    try:
        with open(log_path(layout, read_attempts(layout), attempt, element), "rb") as file:
            file.seek(begin)
            return file.read()
    except FileNotFoundError:
        return b""
