"""How tasks stand, and tracking them. Plain data in, plain data out; every door of the
house calls these verbs, and those that have a module of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from ..registry.pace import pace
from ..registry.registry import Registry
from ..registry.view import View
from ..words.errors import (
    HpcbatchError,
    RegistryBusy,
    RegistryUnwritable,
)
from ..words.look import Look
from ..words.messages import in_short
from ..words.model import RESOLVED
from ..words.ranges import Ranges
from ..words.status import TaskStatus
from .due_retries import due_retries
from .failure_causes import reasons
from .unsubmitted import unsubmitted_notes
from .update import update


def status(registry: Registry, task_id: str, look: Look = Look.ONCE) -> TaskStatus:
    """Counts, reasons and notes of a task. Raises NotFound, DamagedFile."""
    spec = registry.spec(task_id)
    view, notes = update(registry, spec, look)
    return _status(view, notes)


def track(registry: Registry, task_id: str, begins: bool = False) -> TaskStatus:
    """The status; and what whoever watches a task does: submits what waits for room in the queue,
    retries what is due, tells of the end."""
    from .held_back import submit_held_back  # and what submits, which only a tracker needs
    from .notify import notify
    from .retry import retry

    spec = registry.spec(task_id)
    view, notes = update(registry, spec, Look.ON_AND_ON)
    if view.unfolded:
        return _status(view, notes)
    if submit_held_back(registry, view, begins):
        view, notes = update(registry, spec, Look.ON_AND_ON)
    try:
        if retry(registry, view):
            view, notes = update(registry, spec, Look.ON_AND_ON)
        status = _status(view, notes)
    except (RegistryUnwritable, RegistryBusy):
        raise
    except HpcbatchError as error:
        view, notes = update(registry, spec, Look.ON_AND_ON)
        what = "not taken, and is tried again" if error.may_pass else "refused"
        status = _status(view, (*notes, f"a retry was {what}: {in_short(error)}"))
        if not error.may_pass:
            status = replace(status, retrying=0)
    if failed := notify(view, status):
        status = replace(status, notes=(*status.notes, failed))
    return status


def resolved_jobs(registry: Registry, task_id: str) -> Ranges:
    """The jobs that are not alive, and will not be by a retry."""
    view, _ = update(registry, registry.spec(task_id), Look.ON_AND_ON)
    resolved = view.jobs_in(RESOLVED)
    for jobs in due_retries(view).values():
        resolved = resolved.without(jobs)
    return resolved


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
        notes=(*notes, *unsubmitted_notes(view), *_objections(view), *_failed_notification(view)),
        unfolded=str(view.unfolded or ""),
        retrying=sum(map(len, due_retries(view).values())),
        stuck=len(view.stuck_jobs()),
        reasons=reasons(view),
        attempts=sum(a.is_taken and not a.part_of for a in view.attempts),
        held_back=sum(len(view.jobs_held_back(attempt)) for attempt in view.attempts),
        in_doubt=any(attempt.may_still_be_taken for attempt in view.attempts),
    )


def _objections(view: View) -> Iterator[str]:
    left = Ranges()  # jobs that a later attempt has taken
    for attempt in reversed(view.attempts):
        if attempt.objection and attempt.jobs_taken.without(left):
            yield (
                f"attempt {attempt.number} was canceled, but {attempt.objection}. What is still "
                "queued of it ends when it starts; canceling again asks once more"
            )
        left = left.union(attempt.jobs_taken)


def _failed_notification(view: View) -> tuple[str, ...]:
    if not any(attempt.options.notify for attempt in view.attempts):
        return ()
    from .notify import failed_notification

    return tuple(filter(None, [failed_notification(view)]))
