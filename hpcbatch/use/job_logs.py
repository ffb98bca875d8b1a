"""What jobs and elements printed."""

from __future__ import annotations

from ..disk.index import DONE, ERROR, EXPIRED, read_entries
from ..registry import tracker
from ..registry.attempts import read_attempts
from ..registry.registry import Registry
from ..registry.results import Results
from ..words.ranges import Ranges
from .element_logs import LogPart, begin_in_log, read_log, read_part
from .job_selection import check_jobs

LOG_PART = 1 << 20  # bytes that are read of a log at once


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
    return read_part(layout, read_attempts(layout), (attempt, element), begin, most)


def element_log(registry: Registry, task_id: str, attempt: int, element: int, begin: int) -> bytes:
    """A part of an element's log, from the byte ``begin``; empty where there is nothing (yet)."""
    return log_part(registry, task_id, attempt, element, begin, LOG_PART).content
