"""Submits again the jobs that have no result, and takes them from the attempts before."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..registry.attempts import mark_revoked, submitting, update_attempt
from ..registry.registry import Registry
from ..registry.view import View
from ..words.errors import StateError
from ..words.model import ALIVE, UNFINISHED, Attempt, TaskSpec
from ..words.options import SubmitOptions
from ..words.ranges import Ranges
from ..words.status import known_states
from ..words.text import counted
from .cancel import cancel_elements
from .create import Mended
from .dependencies import with_whole_ids
from .failure_causes import last_attempts
from .job_selection import check_jobs
from .submit import Terms, TrackedSubmission, prepared, settled_view, submit_prepared
from .update import update


@dataclass(frozen=True)
class Resubmission:
    """Of jobs without a result, which ``states`` and ``only`` choose among (None: all of them).
    ``revoke`` takes jobs that wait or run from the elements that have them; ``mended`` is called
    instead of the task's own function from now on. Raises UsageError for an unknown state."""

    options: SubmitOptions
    states: str | Sequence[str] | None = None
    only: Ranges | None = None
    mended: Mended | None = None
    revoke: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "states", known_states(self.states))


def resubmit(
    registry: Registry, task_id: str, asked: Resubmission, terms: Terms | None = None
) -> Attempt | None:
    """Submit again the jobs without a result; None when no chosen job is without one.

    Raises StateError while chosen jobs are alive.
    """
    spec = registry.spec(task_id)
    if asked.only is not None:
        check_jobs(spec, asked.only)
    options = with_whole_ids(registry, asked.options, task_id)
    update(registry, spec)
    with submitting(registry.layout(task_id)):
        view = settled_view(registry, spec)
        chosen = _chosen(view, asked)
        if not chosen:
            return None
        if alive := _in_the_way(view, asked):
            raise _still_alive(task_id, alive)
        accepted = [a for a in view.attempts if a.is_taken and not a.part_of]
        if last := (accepted or view.attempts)[-1:]:
            options = _like(last[0], options)
        return submit_again(registry, view, chosen, options, asked.mended, terms=terms)


def check_resubmission(registry: Registry, spec: TaskSpec, asked: Resubmission) -> None:
    """Raises StateError where chosen jobs are alive, and not about to end: of what was canceled, or
    whose submission is in doubt, a later try may tell otherwise."""
    view, _ = update(registry, spec)
    alive = _in_the_way(view, asked)
    for attempt, own in last_attempts(view):
        ends = attempt.canceled is not None or attempt.is_in_doubt
        alive = alive.without(own if ends else own.common(attempt.canceled_jobs))
    if alive:
        raise _still_alive(spec.id, alive)


def _chosen(view: View, asked: Resubmission) -> Ranges:
    wanted = UNFINISHED if asked.states is None else asked.states
    found = view.jobs_in([state for state in wanted if state != "done"])
    return found if asked.only is None else found.common(asked.only)


def _in_the_way(view: View, asked: Resubmission) -> Ranges:
    return Ranges() if asked.revoke else _chosen(view, asked).common(view.jobs_in(ALIVE))


def _still_alive(task_id: str, alive: Ranges) -> StateError:
    return StateError(
        f"{task_id} has {counted(len(alive), 'job')} waiting or running: wait for them, "
        "cancel them, choose others by 'only' or 'jobs', or take them with 'revoke'"
    )


def submit_again(
    registry: Registry,
    view: View,
    jobs: Ranges,
    options: SubmitOptions,
    mended: Mended | None = None,
    by_itself: TrackedSubmission | None = None,
    terms: Terms | None = None,
) -> Attempt:
    """Take ``jobs`` from all attempts before, and submit them; called under ``submitting``."""
    # first: it tells what cannot be, before anything is taken
    with prepared(registry, view, jobs, options, mended, by_itself, terms) as ready:
        for attempt in view.attempts:
            own = attempt.jobs_taken.common(jobs)
            if attempt.held_back.jobs.common(own):
                # for good: they are the new attempt's, or nobody's when that is refused
                left = attempt.held_back.without(own)
                update_attempt(view.layout, replace(attempt, held_back=left))
            if own:
                mark_revoked(view.layout, attempt, time.time(), own)
                cancel_elements(attempt, _emptied(view, attempt, own))
        return submit_prepared(ready)


def _emptied(view: View, attempt: Attempt, taken: Ranges) -> Ranges:
    """Elements that may still be there, and have nothing to do without the jobs ``taken``."""
    if attempt.canceled is not None:
        return Ranges()
    endings = view.snapshot.endings.get(attempt.number, {})
    open_jobs = view.jobs_in(UNFINISHED).without(taken)
    return Ranges.of(
        element
        for element in attempt.elements
        if (element not in endings or endings[element].may_run_again)
        and (left := attempt.plan.jobs_of(element)).common(taken)
        and not left.common(open_jobs)
    )


def _like(last: Attempt, options: SubmitOptions) -> SubmitOptions:
    """As the attempt ``last``, where nothing else is asked: the last that was taken, else the last
    that was refused."""
    cluster = options.cluster or last.cluster
    before = replace(last.options, cluster=cluster, resources=last.resources)
    return options.over(before, cluster == last.cluster)
