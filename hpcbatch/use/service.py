"""The verbs on a registry. Plain data in, plain data out; every door of the house calls these."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..disk.files import touch
from ..disk.index import DONE, ERROR, read_entries
from ..registry import tracker
from ..registry.attempts import mark_canceled
from ..registry.registry import Registry
from ..registry.results import Results
from ..registry.tracker import View
from ..words.errors import DamagedFile, JobError, NotFound, SchedulerError, StateError, UsageError
from ..words.model import (
    ALIVE,
    RESOLVED,
    STATES,
    UNFINISHED,
    Attempt,
    JobInfo,
    TaskSpec,
    TaskStatus,
    known_states,
)
from ..words.ranges import Ranges
from .clusters import cluster_of
from .describe import job_error, job_info, read_log
from .follow import follow
from .settle import UNKNOWN_ID, settle, unsettled
from .submit import SubmitOptions, settled_view, submit_jobs, submitting


def status(registry: Registry, task_id: str) -> TaskStatus:
    spec = registry.spec(task_id)
    view, notes = follow(registry, spec)
    return _status(view, notes)


def tasks(registry: Registry) -> list[tuple[TaskSpec, TaskStatus]]:
    """All tasks, oldest first."""
    return [(spec, _status(*follow(registry, spec))) for spec in registry.specs()]


def jobs(
    registry: Registry,
    task_id: str,
    states: str | Sequence[str] | None = None,
    only: Ranges | None = None,
) -> list[JobInfo]:
    """The jobs in some of the states (None: in any), in order. Raises UsageError, NotFound."""
    wanted = known_states(states)
    spec = registry.spec(task_id)
    view, _ = follow(registry, spec)
    chosen = view.jobs_in(wanted) if wanted else Ranges([(0, spec.njobs)])
    if only is not None:
        _check_jobs(spec, only)
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
    view, _ = follow(registry, spec)
    wanted = only if only is not None else Ranges([(0, spec.njobs)])
    _check_jobs(spec, wanted)
    entries = read_entries(view.layout.index, wanted)
    column = view.states
    with Results(view.layout) as results:
        for job in wanted:
            entry = entries.get(job)
            try:
                if entry is not None and entry.said == DONE:
                    yield job, results.value(job, entry)
                    continue
                yield job, job_error(view, results, job, STATES[column[job]], entry)
            except DamagedFile as error:
                yield job, JobError(job, "error", "DamagedFile", str(error))


def resolved_jobs(registry: Registry, task_id: str) -> Ranges:
    view, _ = follow(registry, registry.spec(task_id))
    return view.jobs_in(RESOLVED)


def errors(registry: Registry, task_id: str) -> list[JobError]:
    """Jobs that failed, with what is known of why: errors, expired and canceled ones."""
    spec = registry.spec(task_id)
    view, _ = follow(registry, spec)
    failed = view.jobs_in(("error", "expired", "canceled"))
    return [found for _, found in collect(registry, task_id, failed) if isinstance(found, JobError)]


def log(registry: Registry, task_id: str, job: int) -> str:
    """What a job printed; the whole log of its element where its part is not known."""
    spec = registry.spec(task_id)
    _check_jobs(spec, Ranges([(job, job + 1)]))
    view = tracker.refresh(registry.layout(task_id), spec)
    entry = read_entries(view.layout.index, Ranges([(job, job + 1)])).get(job)
    if entry is not None and entry.said in (DONE, ERROR):
        with Results(view.layout) as results:
            event = results.event(job, entry)
        return read_log(view, entry.attempt, entry.element, event.log_begin, event.log_end)
    owner = view.owner(job)
    return "" if owner is None else read_log(view, owner[0].number, owner[1])


def cancel(registry: Registry, task_id: str) -> tuple[TaskStatus, list[str]]:
    """Cancel what is not resolved; returns the status and what schedulers objected to."""
    spec = registry.spec(task_id)
    layout = registry.layout(task_id)
    objections: list[str] = []
    with submitting(layout):
        view = tracker.refresh(layout, spec)
        for attempt in view.attempts:
            doubtful = bool(unsettled([attempt]))
            if doubtful or view.alive_elements(attempt):
                mark_canceled(layout, attempt.number, time.time())
                if doubtful:
                    attempt = settle(view, attempt, cluster_of(attempt))
                objections += _cancel_on_cluster(attempt)
    return _status(tracker.refresh(layout, spec)), objections


def resubmit(
    registry: Registry,
    task_id: str,
    options: SubmitOptions,
    states: str | Sequence[str] | None = None,
    only: Ranges | None = None,
) -> Attempt | None:
    """Submit again the jobs without a result; None when every job has one.

    Earlier attempts are revoked and cancelled first. Raises StateError while jobs are alive.
    """
    spec = registry.spec(task_id)
    layout = registry.layout(task_id)
    wanted = known_states(states) or UNFINISHED
    follow(registry, spec)
    with submitting(layout):
        view = settled_view(registry, spec)
        if not view.jobs_in(UNFINISHED):
            return None
        if alive := view.jobs_in(ALIVE):
            raise StateError(
                f"{len(alive)} jobs of {task_id} are waiting or running: wait for them or cancel"
            )
        chosen = view.jobs_in([state for state in wanted if state != "done"])
        if only is not None:
            _check_jobs(spec, only)
            chosen = Ranges.of(job for job in only if job in chosen)
        if not chosen:
            raise UsageError(f"no job of {task_id} is both chosen and without a result")
        accepted = [attempt for attempt in view.attempts if attempt.submitted_arrays]
        if accepted and options.cluster in (None, accepted[-1].cluster):
            options = _like(accepted[-1], options)
        elif view.attempts and options.cluster is None:
            options = replace(options, cluster=view.attempts[-1].cluster)
        for attempt in view.attempts:
            if attempt.submitted_arrays:
                touch(layout.attempt(attempt.number).revoked)
        return submit_jobs(registry, spec, chosen, options)


def remove(registry: Registry, task_id: str) -> None:
    """Delete a task and its results. Raises StateError while jobs of it are alive."""
    spec = registry.spec(task_id)
    view, _ = follow(registry, spec)
    if view.jobs_in(ALIVE):
        raise StateError(f"{task_id} has jobs waiting or running: cancel it first")
    registry.remove(task_id)


def _status(view: View, notes: tuple[str, ...] = ()) -> TaskStatus:
    return TaskStatus(
        id=view.spec.id,
        name=view.spec.name,
        njobs=view.spec.njobs,
        counts=view.count_states(),
        started=view.spec.njobs - view.said.count(0),
        clusters=tuple(dict.fromkeys(a.cluster for a in view.attempts if a.submitted_arrays)),
        notes=notes,
    )


def _like(last: Attempt, options: SubmitOptions) -> SubmitOptions:
    """As the last attempt, where nothing else is asked."""
    return SubmitOptions(
        cluster=last.cluster,
        resources={**last.resources, **(options.resources or {})},
        chunk=options.chunk if options.chunk is not None else last.chunk,
        throttle=options.throttle if options.throttle is not None else last.throttle,
    )


def _cancel_on_cluster(attempt: Attempt) -> list[str]:
    cluster = cluster_of(attempt)
    objections = []
    for array in attempt.arrays:
        if array.id is None:
            objections.append(
                f"array {array.name} is not in the listing of {attempt.cluster}; should it still "
                "show up, its elements leave by themselves"
            )
        elif array.id != UNKNOWN_ID:
            try:
                cluster.cancel(array.id)
            except SchedulerError as error:
                objections.append(str(error))
    return objections


def _check_jobs(spec: TaskSpec, chosen: Ranges) -> None:
    if chosen and (chosen.runs[-1][1] > spec.njobs or chosen.runs[0][0] < 0):
        wrong = chosen.runs[0][0] if chosen.runs[0][0] < 0 else chosen.runs[-1][1] - 1
        raise NotFound(
            f"there is no job {wrong}: the jobs of {spec.id} are numbered 0 to {spec.njobs - 1}"
        )
