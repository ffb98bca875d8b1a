"""The verbs on a registry. Plain data in, plain data out; every door of the house calls these."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..disk.index import DONE, ERROR, EXPIRED, read_entries, read_places
from ..registry import tracker
from ..registry.pace import pace
from ..registry.registry import Registry
from ..registry.view import View
from ..words.errors import (
    DamagedFile,
    HpcbatchError,
    JobError,
    RegistryBusy,
    RegistryUnwritable,
    SchedulerError,
    StateError,
    SubmissionRejected,
    in_short,
)
from ..words.look import Look
from ..words.model import ALIVE, RESOLVED, STATES, TaskSpec
from ..words.ranges import Ranges
from ..words.status import JobInfo, TaskStatus, known_states
from .causes import reasons
from .chosen import check_jobs
from .due import due
from .unsubmitted import refusal, unsubmitted_notes
from .update import update


def status(registry: Registry, task_id: str, look: Look = Look.ONCE) -> TaskStatus:
    spec = registry.spec(task_id)
    view, notes = update(registry, spec, look)
    return _status(view, notes)


def track(registry: Registry, task_id: str, begins: bool = False) -> TaskStatus:
    """The status; and what whoever watches a task does: submits what waits for room in the queue,
    retries what is due, tells of the end."""
    from .feed import feed  # and what submits, which only a tracker needs
    from .notify import notify
    from .retry import retry

    spec = registry.spec(task_id)
    view, notes = update(registry, spec, Look.ON_AND_ON)
    if view.unfolded:
        return _status(view, notes)
    if feed(registry, view, begins):
        view, notes = update(registry, spec, Look.ON_AND_ON)
    try:
        if retry(registry, view):
            view, notes = update(registry, spec, Look.ON_AND_ON)
        status = _status(view, notes)
    except (RegistryUnwritable, RegistryBusy):
        raise
    except HpcbatchError as error:
        passes = isinstance(error, SchedulerError) and not isinstance(error, SubmissionRejected)
        view, notes = update(registry, spec, Look.ON_AND_ON)
        what = "not taken, and is tried again" if passes else "refused"
        status = _status(view, (*notes, f"a retry was {what}: {in_short(error)}"))
        if not passes:
            status = replace(status, retrying=0)
    if failed := notify(view, status):
        status = replace(status, notes=(*status.notes, failed))
    return status


def tasks(registry: Registry) -> list[tuple[TaskSpec, TaskStatus]]:
    """All tasks, oldest first."""
    return [(spec, _status(*update(registry, spec))) for spec in registry.specs()]


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
    from ..registry.results import Results
    from .describe import job_info

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
    from ..registry.results import Results
    from .describe import job_error

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


def resolved_jobs(registry: Registry, task_id: str) -> Ranges:
    """The jobs that are not alive, and will not be by a retry."""
    view, _ = update(registry, registry.spec(task_id), Look.ON_AND_ON)
    resolved = view.jobs_in(RESOLVED)
    for jobs in due(view).values():
        resolved = resolved.without(jobs)
    return resolved


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
    from ..registry.results import Results
    from .describe import read_log

    entry = read_entries(view.layout.index, Ranges([(job, job + 1)])).get(job)
    if entry is not None and entry.said in (DONE, ERROR, EXPIRED):
        with Results(view.layout) as results:
            event = results.event(job, entry)
        return read_log(view, entry.attempt, entry.element, event.log_begin, event.log_end)
    owner = view.owner(job)
    return "" if owner is None else read_log(view, owner[0].number, owner[1])


def remove(registry: Registry, task_id: str) -> None:
    """Delete a task and its results. Raises StateError while jobs of it are alive."""
    spec = registry.spec(task_id)
    view, _ = update(registry, spec)
    if view.unfolded:
        raise view.unfolded
    if view.jobs_in(ALIVE):
        raise StateError(f"{task_id} has jobs waiting or running: cancel it first")
    import shutil

    registry.remove(task_id)
    for folder in {attempt.logs for attempt in view.attempts if attempt.logs}:
        shutil.rmtree(folder, ignore_errors=True)  # what is left there is text alone


def _status(view: View, notes: tuple[str, ...] = ()) -> TaskStatus:
    counts = view.count_states()
    rate, seconds_left = pace(view.snapshot.progress, time.time(), counts)
    return TaskStatus(
        id=view.spec.id,
        name=view.spec.name,
        njobs=view.spec.njobs,
        counts=counts,
        rate=rate,
        seconds_left=seconds_left,
        started=view.spec.njobs - view.said.count(0),
        clusters=tuple(dict.fromkeys(a.cluster for a in view.attempts if a.is_taken)),
        notes=(*notes, *unsubmitted_notes(view)),
        unfolded=str(view.unfolded or ""),
        retrying=sum(map(len, due(view).values())),
        stuck=len(view.stuck_jobs()),
        reasons=reasons(view),
        attempts=sum(a.is_taken and not a.part_of for a in view.attempts),
        held_back=sum(len(view.jobs_held_back(attempt)) for attempt in view.attempts),
    )
