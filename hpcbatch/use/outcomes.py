"""What came of the jobs of a task: states, results, failures, logs. Plain data out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..disk.files import read, read_at
from ..disk.index import DONE, ERROR, EXPIRED, read_entries, read_places
from ..registry import tracker
from ..registry.attempts import read_attempts
from ..registry.registry import Registry
from ..registry.results import Results
from ..words.errors import DamagedFile, JobError, NotFound
from ..words.model import STATES, UNSUCCESSFUL, Attempt
from ..words.ranges import Ranges
from ..words.status import JobInfo, known_states
from .describe import begin_in_log, job_error, job_info, log_path, read_log
from .job_selection import check_jobs
from .unsubmitted import refusal
from .update import update

LOG_PART = 1 << 20  # bytes that are read of a log at once


class LogPart(NamedTuple):
    """``content`` lies at the byte ``begin`` of a log that has ``size`` bytes by now."""

    begin: int
    size: int
    content: bytes


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
        chosen = chosen.common(only)
    entries = read_entries(view.layout.index, chosen)
    column = view.states
    with Results(view.layout) as results:
        return [
            job_info(view, results, job, STATES[column[job]], entries.get(job)) for job in chosen
        ]


def collect(
    registry: Registry, task_id: str, only: Ranges | None = None
) -> Iterator[tuple[int, bytes | JobError]]:
    """(job, pickled value or why there is none) of all jobs, or of some, in order. Raises NotFound,
    UsageError for a job that is none; a damaged result is told in its place."""
    spec = registry.spec(task_id)
    view, _ = update(registry, spec)
    wanted = only if only is not None else Ranges([(0, spec.njobs)])
    check_jobs(spec, wanted)
    entries = read_entries(view.layout.index, wanted.without(view.jobs_saying(DONE)))
    column = view.states
    with Results(view.layout) as results:

        def otherwise(job: int, said: int, place: int) -> bytes | JobError:
            try:
                if said == DONE:
                    return results.value(job, place)
                return job_error(view, results, job, STATES[column[job]], entries.get(job))
            except DamagedFile as error:
                return JobError(job, "error", "DamagedFile", str(error))

        yield from results.values(read_places(view.layout.index, wanted), otherwise)


def errors(registry: Registry, task_id: str) -> list[JobError]:
    """Jobs that failed, with what is known of why: errors, expired and canceled ones, and those
    that a cluster refused."""
    return list(failures(registry, task_id))


def failures(registry: Registry, task_id: str, most: int | None = None) -> Iterator[JobError]:
    """What ``errors`` tells, one by one; of the first ``most`` jobs that failed."""
    spec = registry.spec(task_id)
    view, _ = update(registry, spec)
    refused = ("defined",) if refusal(view) else ()
    failed = view.jobs_in((*UNSUCCESSFUL, *refused))
    if most is not None:
        failed = failed.slice(0, most)
    for _, found in collect(registry, task_id, failed):
        if isinstance(found, JobError):
            yield found


def log(registry: Registry, task_id: str, job: int) -> str:
    """What a job printed so far; the log of its element where that never came to any job. Raises
    NotFound, UsageError, DamagedFile."""
    spec = registry.spec(task_id)
    check_jobs(spec, Ranges([(job, job + 1)]))
    view = tracker.refresh(registry.layout(task_id), spec)
    entry = read_entries(view.layout.index, Ranges([(job, job + 1)])).get(job)
    if entry is not None and entry.said in (DONE, ERROR, EXPIRED):
        with Results(view.layout) as results:
            event = results.event(job, entry)
        return read_log(view, entry.attempt, entry.element, event.log_begin, event.log_end)
    owner = view.owner(job)
    if owner is None:
        return ""
    attempt, element = owner
    begin = begin_in_log(view, entry, attempt, element)
    return "" if begin is None else read_log(view, attempt.number, element, begin)


def log_part(
    registry: Registry, task_id: str, attempt: int, element: int, begin: int, most: int
) -> LogPart:
    """At most ``most`` bytes of an element's log from the byte ``begin`` on; a negative one counts
    from the end. Raises NotFound for a task that is none; nothing is in a log that is not there."""
    registry.spec(task_id)
    layout = registry.layout(task_id)
    try:
        with open(log_path(layout, read_attempts(layout), attempt, element), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = max(size + begin, 0) if begin < 0 else min(begin, size)
            return LogPart(start, size, read_at(file.fileno(), most, start))
    except FileNotFoundError:
        return LogPart(0, 0, b"")


def attempts(registry: Registry, task_id: str) -> list[Attempt]:
    """All attempts of a task, in order. Raises NotFound, DamagedFile."""
    registry.spec(task_id)
    return read_attempts(registry.layout(task_id))


def script(registry: Registry, task_id: str, attempt: int, array: int) -> str:
    """What was submitted as an array of an attempt, counted from 0. Raises NotFound."""
    path = registry.layout(task_id).attempt(attempt).script(array)
    try:
        return read(path).decode("utf-8", "replace")
    except FileNotFoundError:
        raise NotFound(f"attempt {attempt} of {task_id} has no script {array + 1}") from None


def element_log(registry: Registry, task_id: str, attempt: int, element: int, begin: int) -> bytes:
    """A part of an element's log, from the byte ``begin``; empty where there is nothing (yet)."""
    return log_part(registry, task_id, attempt, element, begin, LOG_PART).content
