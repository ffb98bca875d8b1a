"""The results of a task's jobs, in order, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator

from ..disk.index import DONE, read_entries, read_places
from ..registry.registry import Registry
from ..registry.results import Results
from ..registry.view import View
from ..words.errors import DamagedFile, JobError
from ..words.model import STATES, UNSUCCESSFUL
from ..words.ranges import Ranges
from .describe import job_error
from .job_selection import check_jobs
from .unsubmitted import refusal
from .update import updated_or_warned


def collect(
    registry: Registry, task_id: str, only: Ranges | None = None
) -> Iterator[tuple[int, bytes | JobError]]:
    """(job, pickled value or why there is none) of all jobs, or of some, in order. Raises NotFound,
    UsageError for a job that is none; a damaged result is told in its place. Warns where newer
    records are not counted."""
    spec = registry.spec(task_id)
    view = updated_or_warned(registry, spec)
    wanted = only if only is not None else Ranges([(0, spec.njobs)])
    check_jobs(spec, wanted)
    yield from _found(view, wanted)


def _found(view: View, wanted: Ranges) -> Iterator[tuple[int, bytes | JobError]]:
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
    view = updated_or_warned(registry, spec)
    refused = ("defined",) if refusal(view) else ()
    failed = view.jobs_in((*UNSUCCESSFUL, *refused))
    if most is not None:
        failed = failed.slice(0, most)
    for _, found in _found(view, failed):
        if isinstance(found, JobError):
            yield found
