"""Submits expired jobs again by themselves, as often as their submission allows.

Whoever tracks a task does it: ``wait``, ``watch``, ``tend``. An attempt tells with ``retry`` how
often its jobs were submitted so before. What no fault of a job was is not counted: preemption,
and jobs that never began in an element that ran others.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import replace
from itertools import takewhile

from ..registry.attempts import submitting
from ..registry.registry import Registry
from ..registry.view import View
from ..words.errors import (
    HpcbatchError,
    RegistryBusy,
    SchedulerError,
    StateError,
    UsageError,
)
from ..words.model import ALIVE, Attempt
from ..words.options import SubmitOptions
from .due import due
from .resubmit import submit_again
from .submit import settled_view

PAUSE = 30.0  # seconds between two retries of a task with jobs alive: many go in one submission
LONGEST_PAUSE = 3600.0  # before one that follows many that no scheduler took


def retry(registry: Registry, view: View) -> list[Attempt]:
    """Submit what is due. Raises SchedulerError when a part could not be submitted now, and
    SubmissionRejected or UsageError when it never can be."""
    made: list[Attempt] = []
    if not due(view) or is_too_early(view, PAUSE if view.jobs_in(ALIVE) else 0.0):
        return made
    in_doubt = StateError  # an earlier submission is: it may still show up
    with contextlib.suppress(RegistryBusy, in_doubt), submitting(view.layout, 0.0):
        view = settled_view(registry, view.spec)  # another tracker may just have done it
        failed: HpcbatchError | None = None
        for (number, used), jobs in due(view).items():
            before = next(a for a in view.attempts if a.number == number)
            options = _options(before, used)
            try:
                again = submit_again(registry, view, jobs, options, retry=used, patient=False)
                made.append(again)
            except (SchedulerError, UsageError) as error:
                failed = failed or error  # which must not keep us from the others
        if failed is not None:
            raise failed
    return made


def is_too_early(view: View, pause: float) -> bool:
    """Whether the last submission is less than ``pause`` seconds ago; longer, and ever longer, is
    waited after those that were not taken."""
    for _ in takewhile(lambda attempt: not attempt.is_taken, reversed(view.attempts)):
        pause = min(max(2 * pause, PAUSE), LONGEST_PAUSE)
    return 0 <= time.time() - view.attempts[-1].created < pause


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
