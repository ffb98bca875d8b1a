"""Submits jobs of a task: intent on disk first, then the scheduler, then its ids on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from ..cluster.cluster import Cluster
from ..cluster.queue_room import room_in_queue
from ..cluster.schedulers.answers import Limits
from ..disk.files import make_folder, publish
from ..disk.index import BEGUN
from ..registry import tracker
from ..registry.attempts import (
    next_number,
    store_function,
    submitting,
    update_attempt,
    write_attempt,
)
from ..registry.registry import Registry
from ..registry.view import View
from ..runner.bundle import ensure_runner
from ..words.errors import (
    AlreadySubmitted,
    SchedulerError,
    StateError,
    SubmissionUnclear,
)
from ..words.messages import in_short
from ..words.model import Attempt, TaskSpec
from ..words.options import SubmitOptions
from ..words.ranges import Ranges
from ..words.resources import Resources
from .arrays import hand_in
from .busy_schedulers import patiently
from .compose import Composition
from .create import Mended
from .dependencies import waiting_arrays, with_whole_ids
from .in_doubt import ask, settle, waiting_seconds
from .planning import LIMITED_BY
from .profiles import keep_profile


def submit_defined(
    registry: Registry, spec: TaskSpec, options: SubmitOptions, terms: Terms | None = None
) -> Attempt:
    """Submit the jobs that never were. Raises AlreadySubmitted, SubmissionError, and what
    ``prepared`` does."""
    layout, options = registry.layout(spec.id), with_whole_ids(registry, options, spec.id)
    with submitting(layout):
        view = settled_view(registry, spec)
        jobs = view.jobs_in(("defined",))
        if not jobs:
            raise was_submitted(spec.id)
        with prepared(registry, view, jobs, options, terms=terms) as ready:
            return submit_prepared(ready)


def was_submitted(task_id: str) -> AlreadySubmitted:
    return AlreadySubmitted(
        f"{task_id} was submitted before: resubmit it, which runs what is unfinished"
    )


def checked(registry: Registry, options: SubmitOptions, task_id: str) -> SubmitOptions:
    """Options of a first submission of ``task_id``, with whole ids of tasks; of one that is not
    stored yet where that is empty, since what is wrong with them can be told before. Raises
    ConfigError, ResourceError, UsageError, NotFound."""
    options.check_retries()
    return checked_in_part(registry, options, task_id)


def checked_in_part(registry: Registry, options: SubmitOptions, task_id: str) -> SubmitOptions:
    """Likewise those of a resubmission, which takes the others from the attempt before."""
    cluster = Cluster.named(options.cluster)
    Resources.parse(cluster.config.resources, options.resources)
    return with_whole_ids(registry, options, task_id)


def settled_view(registry: Registry, spec: TaskSpec) -> View:
    """The task with no submission in doubt; called under ``submitting``. Raises StateError,
    DamagedFile, RegistryUnwritable."""
    layout = registry.layout(spec.id)
    view = tracker.refresh(layout, spec)
    if view.unfolded:
        raise view.unfolded
    doubtful = [attempt for attempt in view.attempts if attempt.is_in_doubt]
    for attempt in doubtful:
        settled = settle(view, attempt, ask(attempt))
        if settled.is_in_doubt:
            raise StateError(
                f"an earlier submission of {spec.id} was interrupted, and may still show up: try "
                f"again in {waiting_seconds(settled):.0f} s"
            )
    return tracker.refresh(layout, spec) if doubtful else view


class Terms(NamedTuple):
    """Of a server that submits for others."""

    longest: int | None  # seconds that an element may ask for, besides the cluster's limits
    most: int | None  # elements that may run at a time
    waits: bool  # for a scheduler that cannot answer or take a submission now


class TrackedSubmission(NamedTuple):
    """What a tracker submits: like an attempt before, by the profile that was kept of it."""

    cluster: Cluster
    retry: int  # how often its jobs were submitted by themselves, with this time
    part_of: int = 0  # the attempt that held its jobs back; 0: none


class Prepared(NamedTuple):
    """An attempt that lacks nothing but to be made: its first script is kept on disk."""

    made: Composition
    runner: str
    first: tuple[str, str]  # path and text; without a path where there is no room for an array
    suspects: Ranges
    mended: Mended | None
    patience: float  # seconds


@contextmanager
def prepared(
    registry: Registry,
    view: View,
    jobs: Ranges,
    options: SubmitOptions,
    mended: Mended | None = None,
    by_itself: TrackedSubmission | None = None,
    terms: Terms | None = None,
) -> Iterator[Prepared]:
    """All that can be wrong with one attempt of ``jobs`` before it is made; called under
    ``submitting``. The room in the queue that it counts on is its own meanwhile.

    Raises ConfigError, ResourceError, UsageError, StateError, RegistryUnwritable, RegistryBusy,
    SchedulerError.
    """
    cluster = by_itself.cluster if by_itself else Cluster.named(options.cluster).as_here()
    terms = terms or Terms(longest=None, most=None, waits=not by_itself)  # a tracker comes again
    most = view.attempts[-1].most if by_itself else terms.most
    cluster = cluster.limited(terms.longest, LIMITED_BY)
    cluster.check_here()
    patience = cluster.config.patience if terms.waits else 0.0
    retry, part_of = (by_itself.retry, by_itself.part_of) if by_itself else (0, 0)
    number = next_number(view.layout)
    function = number if mended else max((a.function for a in view.attempts), default=0)

    def limits() -> Limits:
        return patiently(lambda: cluster.limits(registry.root), patience)

    with room_in_queue(registry.root, cluster, patience) as room:
        before = _throttled_arrays(view, cluster) if options.throttled(most).throttle else ()
        composed = Composition.of(
            registry, view.spec, jobs, options, cluster, limits, room, before, most
        )
        made = composed.numbered(number, function=function, retry=retry, part_of=part_of)
        runner = ensure_runner(registry.root)
        if made.attempt.arrays:
            first = _keep_script(made, 0, made.attempt, runner)
        else:
            first = "", made.example(runner)
        yield Prepared(made, runner, first, _suspects(view, jobs), mended, patience)


def submit_prepared(ready: Prepared) -> Attempt:
    """Make the attempt; called under ``submitting``.

    Raises SubmissionRejected (the jobs are then as before, and the refused attempt is kept with
    its script for the reader), SubmissionDeferred, SubmissionUnclear.
    """
    made = ready.made
    if ready.mended:
        store_function(made.layout, made.attempt.number, *ready.mended)
    if made.attempt.logs:
        make_folder(made.attempt.logs)
    keep_profile(made.layout, made.attempt.number, made.cluster)
    write_attempt(made.layout, made.attempt, made.assignment(ready.suspects))
    return _submit_arrays(ready)


def _throttled_arrays(view: View, cluster: Cluster) -> tuple[str, ...]:
    """Of the same task: two arrays throttled to 2 each would run 4, they go one after another."""
    if not cluster.scheduler.chains:
        return ()
    return tuple(
        array
        for attempt, array in waiting_arrays(view)
        if attempt.throttle and attempt.scheduler == cluster.config.scheduler
    )


def _suspects(view: View, jobs: Ranges) -> Ranges:
    """Those that began in a process which died: they come last in their new elements."""
    return jobs.common(view.jobs_in(("expired", "submitted"))).common(view.jobs_saying(BEGUN))


def _submit_arrays(ready: Prepared) -> Attempt:
    made, (path, text) = ready.made, ready.first
    layout, cluster, attempt = made.layout, made.cluster, made.attempt

    def script(number: int) -> str:
        nonlocal path, text
        if number:
            path, text = _keep_script(made, number, attempt, ready.runner)
        return text

    root = os.path.dirname(layout.folder)
    try:
        for arrays in hand_in(root, cluster, attempt.arrays, script, ready.patience):
            attempt = replace(attempt, arrays=arrays)
            update_attempt(layout, attempt)
    except SubmissionUnclear:
        raise
    except SchedulerError as error:
        update_attempt(layout, attempt.given_up_for(in_short(error)))
        raise type(error)(
            f"cluster {cluster.name} did not take the submission, see below. {_standing(attempt)} "
            f"The script, kept in {path}, was:\n{text}\n"
            f"{cluster.name} did not take it: {error}"  # where a terminal ends
        ) from error
    return attempt


def _keep_script(made: Composition, number: int, attempt: Attempt, runner: str) -> tuple[str, str]:
    """The path and the text of an array's script, which is kept for the reader."""
    paths = made.layout.attempt(attempt.number)
    text = made.script(number, attempt, runner)
    make_folder(paths.folder)
    publish(paths.script(number), text.encode("utf-8", "surrogateescape"))
    return paths.script(number), text


def _standing(attempt: Attempt) -> str:
    taken = sum(array.count for array in attempt.submitted_arrays)
    if not taken:
        return "Nothing was submitted; the task is as before and can be submitted again."
    return (
        f"Elements 0 to {taken - 1} were submitted; the jobs of the others are as before "
        "and can be submitted again."
    )
