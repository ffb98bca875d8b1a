"""Submits jobs of a task: intent on disk first, then the scheduler, then its ids on disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from ..cluster.cluster import Cluster
from ..cluster.orders import ArrayOrder, ScriptOrder, passed_environment
from ..disk.files import publish
from ..disk.locks import held
from ..registry import tracker
from ..registry.attempts import next_number, update_attempt, write_attempt
from ..registry.registry import Registry
from ..registry.tracker import View
from ..runner.bundle import ensure_runner
from ..words.errors import (
    AlreadySubmitted,
    CommandTimeout,
    DamagedFile,
    SchedulerError,
    StateError,
    SubmissionUnclear,
)
from ..words.layout import TaskLayout
from ..words.model import Array, Attempt, TaskSpec
from ..words.ranges import Ranges
from ..words.resources import Resources
from .clusters import cluster_of
from .planning import AUTO, make_arrays, make_plan
from .settle import settle, unsettled, waiting_seconds

LOCK_SECONDS = 180.0


@dataclass(frozen=True)
class SubmitOptions:
    """How to run: ``resources`` as a user writes them, over the cluster's defaults."""

    cluster: str | None = None
    resources: dict[str, Any] | None = None
    chunk: Any = None  # a number, or "auto"; None: auto, or as before
    throttle: int | None = None


def submitting(layout: TaskLayout, seconds: float = LOCK_SECONDS) -> AbstractContextManager[None]:
    """Hold the task's submit lock: one attempt is made at a time. Raises RegistryBusy."""
    return held(layout.submit_lock, seconds)


def submit_defined(registry: Registry, spec: TaskSpec, options: SubmitOptions) -> Attempt:
    """Submit the jobs that never were. Raises AlreadySubmitted, SubmissionError, ConfigError."""
    layout = registry.layout(spec.id)
    with submitting(layout):
        view = settled_view(registry, spec)
        jobs = view.jobs_in(("defined",))
        if not jobs:
            raise AlreadySubmitted(
                f"{spec.id} was submitted before; resubmit() runs again what is unfinished"
            )
        return submit_jobs(registry, spec, jobs, options)


def settled_view(registry: Registry, spec: TaskSpec) -> View:
    """The task with no submission in doubt; called under ``submitting``. Raises StateError,
    DamagedFile."""
    layout = registry.layout(spec.id)
    view = tracker.refresh(layout, spec)
    if view.damage:
        raise DamagedFile(view.damage)
    doubtful = unsettled(view.attempts)
    for attempt in doubtful:
        settled = settle(view, attempt, cluster_of(attempt))
        if unsettled([settled]):
            raise StateError(
                f"an earlier submission of {spec.id} was interrupted, and may still show up: try "
                f"again in {waiting_seconds(attempt):.0f} s"
            )
    return tracker.refresh(layout, spec) if doubtful else view


def submit_jobs(
    registry: Registry, spec: TaskSpec, jobs: Ranges, options: SubmitOptions
) -> Attempt:
    """Make one attempt of ``jobs``; called under ``submitting``.

    Raises SubmissionRejected (the jobs are then as before, and the refused attempt is kept with
    its script for the reader), SubmissionDeferred, ConfigError, ResourceError.
    """
    cluster = Cluster.named(options.cluster)
    layout = registry.layout(spec.id)
    attempt, resources = _prepare(registry, spec, jobs, cluster, options)
    attempt = replace(attempt, number=next_number(layout))
    runner = ensure_runner(registry.root)

    def script(number: int, attempt: Attempt) -> str:
        order = _order(layout, spec, attempt, number, cluster, resources, runner)
        return _render(cluster, order)

    script(0, attempt)  # what is wrong with a template is told before anything is stored
    whole = resources.for_element(attempt.plan.largest())
    orders = {
        "kind": spec.kind,
        "names": spec.names,
        "seed": spec.seed,
        "job_walltime": resources.walltime,
        "element_walltime": whole,
    }
    write_attempt(layout, attempt, orders)
    return _submit_arrays(layout, attempt, cluster, script)


def preview(registry: Registry, spec: TaskSpec, options: SubmitOptions) -> str:
    """The script that ``submit`` would hand to the scheduler; nothing is submitted or stored."""
    cluster = Cluster.named(options.cluster)
    layout = registry.layout(spec.id)
    jobs = Ranges([(0, spec.njobs)])
    attempt, resources = _prepare(registry, spec, jobs, cluster, options)
    runner = f"{registry.root}/runner-preview.pyz"
    order = _order(layout, spec, attempt, 0, cluster, resources, runner)
    return _render(cluster, order)


def _render(cluster: Cluster, order: ScriptOrder) -> str:
    from ..cluster.scripts import render  # and jinja2 with it, which only a submission needs

    return render(cluster.template, order)


def _prepare(
    registry: Registry, spec: TaskSpec, jobs: Ranges, cluster: Cluster, options: SubmitOptions
) -> tuple[Attempt, Resources]:
    resources = Resources.parse(cluster.config.resources, options.resources)
    limits = cluster.limits(registry.root)
    plan = make_plan(jobs, cluster, limits, resources, options.chunk, options.throttle)
    attempt = Attempt(
        number=1,
        cluster=cluster.name,
        scheduler=cluster.config.scheduler,
        host=os.uname().nodename,
        created=time.time(),
        plan=plan,
        arrays=make_arrays(plan, cluster, limits, spec.id, options.throttle),
        resources=resources.to_json(),
        throttle=options.throttle,
        chunk=AUTO if options.chunk is None else options.chunk,
    )
    return attempt, resources


def _order(
    layout: TaskLayout,
    spec: TaskSpec,
    attempt: Attempt,
    number: int,
    cluster: Cluster,
    resources: Resources,
    runner: str,
) -> ScriptOrder:
    """What array ``number`` of the attempt needs; those before it have their ids."""
    array = attempt.arrays[number]
    before = attempt.arrays[max(number - 1, 0) : number]
    own = {"HPCBATCH_ROOT": os.path.dirname(layout.folder), "HPCBATCH_TASK": spec.id}
    return ScriptOrder(
        title=f"{spec.name}: elements of attempt {attempt.number} of {spec.id}",
        array=ArrayOrder(array.name, array.first, array.count, array.base),
        resources=resources,
        walltime=resources.for_element(attempt.plan.largest()),
        throttle=attempt.throttle,
        # two arrays throttled to 2 each would run 4: they go one after another
        after=tuple(str(a.id) for a in before) if attempt.throttle else (),
        env={**passed_environment(cluster.config.env), **own},
        setup=cluster.config.setup,
        folder=spec.folder,
        log_prefix=f"{layout.logs}/{attempt.number:04d}-",
        python=cluster.python,
        runner=runner,
        task=layout.folder,
        attempt=attempt.number,
    )


def _submit_arrays(
    layout: TaskLayout,
    attempt: Attempt,
    cluster: Cluster,
    script: Callable[[int, Attempt], str],
) -> Attempt:
    for number, array in enumerate(attempt.arrays):
        path = layout.attempt(attempt.number).script(number)
        text = script(number, attempt)
        publish(path, text.encode("utf-8", "surrogateescape"))
        try:
            array_id = cluster.submit(text)
        except (CommandTimeout, SubmissionUnclear) as error:
            raise SubmissionUnclear(
                f"cluster {cluster.name} did not answer, and may have taken the submission. "
                f"{error}\nIt is looked up by its name {array.name} at the next status; nothing "
                "is submitted twice."
            ) from error
        except SchedulerError as error:
            update_attempt(layout, replace(attempt, rejected=str(error)))
            raise type(error)(
                f"cluster {cluster.name} did not take the submission. {error}\n"
                f"{_standing(array)} The script, kept in {path}, was:\n{text}"
            ) from error
        taken = replace(array, id=array_id, time=time.time())
        arrays = (*attempt.arrays[:number], taken, *attempt.arrays[number + 1 :])
        attempt = replace(attempt, arrays=arrays)
        update_attempt(layout, attempt)
    return attempt


def _standing(array: Array) -> str:
    if array.first == 0:
        return "Nothing was submitted; the task is as before and can be submitted again."
    return (
        f"Elements 0 to {array.first - 1} were submitted; the jobs of the others are as before "
        "and can be submitted again."
    )
