"""Submits expired jobs again by themselves, as often as their submission allows.

Whoever tracks a task does it: ``wait``, ``watch``, ``tend``. An attempt tells with ``retry`` how
often its jobs were submitted so before. What no fault of a job was is not counted: preemption,
and jobs that never began in an element that ran others.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace

from ..cluster.cluster import Cluster
from ..registry.attempts import submitting
from ..registry.registry import Registry
from ..registry.view import View
from ..words.errors import HpcbatchError, RegistryBusy, RegistryUnwritable, StateError
from ..words.model import ALIVE, Attempt
from ..words.options import SubmitOptions
from .due_retries import due_retries
from .profiles import kept_cluster
from .resubmit import submit_again
from .submission_pauses import PAUSE, is_throttled, is_too_early
from .submit import TrackedSubmission, settled_view


def retry(registry: Registry, view: View) -> list[Attempt]:
    """Submit what is due. Raises SchedulerError when a part could not be submitted now, and
    SubmissionRejected or another HpcbatchError when it cannot be until something is mended."""
    made: list[Attempt] = []
    # many go in one submission
    if not due_retries(view) or is_too_early(view, PAUSE if view.jobs_in(ALIVE) else 0.0):
        return made
    in_doubt = StateError  # an earlier submission is: it may still show up
    with contextlib.suppress(RegistryBusy, in_doubt), submitting(view.layout, 0.0):
        view = settled_view(registry, view.spec)  # another tracker may just have done it
        failed: HpcbatchError | None = None
        for (number, used), jobs in due_retries(view).items():
            before = next(a for a in view.attempts if a.number == number)
            if before.throttle and (made or is_throttled(view)):
                continue
            if not Cluster.of(before).scheduler.is_reachable(before.host):
                continue
            options = _options(before, used)
            try:
                by_itself = TrackedSubmission(kept_cluster(view.layout, number), used)
                made.append(submit_again(registry, view, jobs, options, by_itself=by_itself))
            except (RegistryBusy, RegistryUnwritable):
                raise
            except HpcbatchError as error:
                failed = failed or error  # which must not keep us from the others
        if failed is not None:
            raise failed
    return made


def _options(before: Attempt, used: int) -> SubmitOptions:
    """As before, with what is to grow grown, when another try is used up."""
    resources = dict(before.resources)
    if used > before.retry:
        for name, factor in (before.options.retry_scale or {}).items():
            if name in resources:
                resources[name] = math.ceil(resources[name] * factor)
    return replace(
        before.options, cluster=before.cluster, resources=resources, after=(), after_ok=()
    )
