"""Other tasks that a submission waits for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from ..cluster.cluster import Cluster
from ..registry import tracker
from ..registry.registry import Registry
from ..registry.view import View
from ..words.errors import NotFound, StateError, UsageError
from ..words.model import ALIVE, UNSUCCESSFUL, Attempt
from ..words.options import SubmitOptions
from ..words.text import counted
from .failure_causes import last_attempts
from .update import update


class Dependencies(NamedTuple):
    """Ids of arrays that must have ended, or ended well; folders of tasks that must be done; and
    whether one of the tasks holds jobs back, which no array has yet."""

    ended: tuple[str, ...] = ()
    ok: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    hold_jobs_back: bool = False


def find_dependencies(
    registry: Registry, options: SubmitOptions, cluster: Cluster, task_id: str
) -> Dependencies:
    """What ``after`` and ``after_ok`` mean to the cluster now. Raises NotFound, StateError when
    one of them can never be met, or lies on another cluster."""
    ended: list[str] = []
    ok: list[str] = []
    done: list[str] = []
    hold_jobs_back = False
    for other in options.after:
        view = _other(registry, other, task_id)
        hold_jobs_back |= view.holds_jobs_back
        ended += _alive_arrays(view, cluster)
    for other in options.after_ok:
        view = _other(registry, other, task_id)
        hold_jobs_back |= view.holds_jobs_back
        if failed := view.jobs_in(UNSUCCESSFUL):
            raise StateError(
                f"{view.spec.id} has {counted(len(failed), 'job')} without a result, and "
                "cannot end well as it is: resubmit it first, or wait for its end alone ('after')"
            )
        # an array whose failed elements were submitted again can never end well by itself
        if cluster.scheduler.checks_after_ok and len(view.attempts) == 1:
            ok += _alive_arrays(view, cluster)
        else:
            ended += _alive_arrays(view, cluster)
            done.append(view.layout.folder)
    return Dependencies(tuple(ended), tuple(ok), tuple(done), hold_jobs_back)


def with_whole_ids(registry: Registry, options: SubmitOptions, task_id: str) -> SubmitOptions:
    """What ``last`` and beginnings of ids mean now to the task ``task_id``, which is empty where it
    is not stored yet; later they may mean others. Raises NotFound, UsageError."""

    def whole(text: str) -> str:
        if (found := registry.find(text, task_id)) == task_id:
            raise UsageError(f"{task_id} cannot wait for itself: name other tasks to wait for")
        return found

    after, after_ok = map(whole, options.after), map(whole, options.after_ok)
    return replace(options, after=tuple(after), after_ok=tuple(after_ok))


def _other(registry: Registry, other: str, task_id: str) -> View:
    view, _ = update(registry, registry.spec(other))
    if view.jobs_in(("defined",)):
        raise StateError(f"{other} was not submitted yet: submit it first")
    if task_id in _awaited_by(registry, view, set()):
        raise StateError(f"{other} waits for {task_id} already: neither would ever run")
    return view


def _awaited_by(registry: Registry, view: View, seen: set[str]) -> set[str]:
    """Ids of all tasks that jobs held back wait for, through others or not."""
    for attempt in filter(view.jobs_held_back, view.attempts):
        for other in {*attempt.options.after, *attempt.options.after_ok} - seen:
            seen.add(other)
            with contextlib.suppress(NotFound):
                spec = registry.spec(other)
                _awaited_by(registry, tracker.refresh(registry.layout(other), spec), seen)
    return seen


def _alive_arrays(view: View, cluster: Cluster) -> list[str]:
    """Those with jobs that wait or run: a scheduler may refuse to wait for what it forgot."""
    found = []
    for attempt, array in waiting_arrays(view):
        if attempt.scheduler != cluster.config.scheduler:
            raise StateError(
                f"{view.spec.id} runs on cluster {attempt.cluster}, and {cluster.name} cannot "
                "wait for it: submit once it has ended"
            )
        found.append(array)
    return found


def waiting_arrays(view: View) -> Iterator[tuple[Attempt, str]]:
    """Ids of arrays with jobs that wait or run, each with its attempt."""
    alive = view.jobs_in(ALIVE)
    for attempt, own in last_attempts(view):
        if waiting := own.common(alive):
            for array in attempt.known_arrays:
                jobs = attempt.plan.jobs_between(array.first, array.first + array.count)
                if jobs.common(waiting):
                    yield attempt, str(array.id)
