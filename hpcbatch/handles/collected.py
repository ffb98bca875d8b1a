"""Results of a task as a session gets them: loaded, and failures as was asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..sites.base import Site
from ..words.errors import JobError, StateError, TaskFailed, UsageError
from ..words.messages import nearest
from ..words.model import RESOLVED
from ..words.ranges import Ranges
from .loading import Loader

ON_ERROR = ("raise", "return", "skip")


def collected(site: Site, task_id: str, only: Ranges | None, on_error: str) -> dict[int, Any]:
    """By job, in order. Raises as ``Task.collect``."""
    if on_error not in ON_ERROR:
        raise UsageError(f"on_error {on_error!r} is unknown{nearest(on_error, ON_ERROR)}")
    loader = Loader(site, task_id)
    found: dict[int, Any] = {}
    failures: list[JobError] = []
    for job, value in site.collect(task_id, only):
        try:
            if not isinstance(value, bytes):
                raise value
            if not failures or on_error != "raise":
                found[job] = loader.load(job, value)
        except JobError as error:
            failures.append(error)
            if on_error == "return":
                found[job] = error
    if failures and on_error == "raise":
        _check_finished(task_id, failures)
        raise TaskFailed(task_id, failures, site.spec(task_id).njobs)
    return found


def _check_finished(task_id: str, failures: Sequence[JobError]) -> None:
    states = [failure.state for failure in failures if failure.state not in RESOLVED]
    if states:
        told = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        raise StateError(
            f"{task_id} is not finished ({told}): submit() and wait() first, or collect what is "
            'there with on_error="skip"'
        )
