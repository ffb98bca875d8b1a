"""The jobs of a task, one by one; its attempts and their scripts. Plain data out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import count, takewhile

from ..disk.files import read
from ..disk.index import read_entries
from ..registry.attempts import read_attempts
from ..registry.registry import Registry
from ..registry.results import Results
from ..words.errors import NotFound
from ..words.model import STATES, Attempt
from ..words.ranges import Ranges
from ..words.status import JobInfo, known_states
from ..words.text import counted
from .describe import job_info
from .job_selection import check_jobs
from .update import updated_or_warned


def jobs(
    registry: Registry,
    task_id: str,
    states: str | Sequence[str] | None = None,
    only: Ranges | None = None,
) -> list[JobInfo]:
    """The jobs in some of the states (None: in any), in order. Raises UsageError, NotFound; warns
    where newer records are not counted."""
    wanted = known_states(states)
    spec = registry.spec(task_id)
    view = updated_or_warned(registry, spec)
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


def attempts(registry: Registry, task_id: str) -> list[Attempt]:
    """All attempts of a task, in order. Raises NotFound, DamagedFile."""
    registry.spec(task_id)
    return read_attempts(registry.layout(task_id))


def script(registry: Registry, task_id: str, attempt: int, array: int) -> str:
    """What was submitted as an array of an attempt, counted from 0. Raises NotFound."""
    paths = registry.layout(task_id).attempt(attempt)
    try:
        return read(paths.script(array)).decode("utf-8", "replace")
    except FileNotFoundError:
        held = takewhile(os.path.exists, map(paths.script, count()))
        raise NotFound(
            f"attempt {attempt} of {task_id} has no script {array + 1}: "
            f"it has {counted(len(list(held)), 'script')}"
        ) from None
