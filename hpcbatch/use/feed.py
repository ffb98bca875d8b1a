"""Submits what waits for room in the queue (``max_queued``), as room comes.

Whoever tracks a task does it: ``wait``, ``watch``, ``tend``.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

from ..cluster.cluster import Cluster
from ..cluster.polls import poll, poll_interval
from ..registry.attempts import submitting, update_attempt
from ..registry.registry import Registry
from ..registry.view import View
from ..words.errors import RegistryBusy, StateError, SubmissionRejected, UsageError
from ..words.model import Attempt
from ..words.plan import NOTHING
from .retry import is_too_early
from .submit import prepared, settled_view, submit_prepared

SHARE = 0.1  # of all that may be queued: less room is waited for, so that arrays are not too many


def feed(registry: Registry, view: View) -> list[Attempt]:
    """Submit as much as there is room for. Raises SchedulerError when it was not taken now, and
    SubmissionRejected or UsageError when it never will be: its jobs are then as never submitted.
    """
    made: list[Attempt] = []
    if is_too_early(view, 0.0) or not any(_has_room(registry, view, a) for a in view.attempts):
        return made
    with contextlib.suppress(RegistryBusy), submitting(view.layout, 0.0):
        try:
            view = settled_view(registry, view.spec)  # another tracker may just have done it
        except StateError:
            return made  # an earlier submission is in doubt: it may still show up
        for attempt in view.attempts:
            if _has_room(registry, view, attempt):
                made += _next_of(registry, view, attempt)
    return made


def _has_room(registry: Registry, view: View, attempt: Attempt) -> bool:
    """Whether jobs wait behind the attempt, and there seems to be room for enough of them."""
    jobs = view.jobs_behind(attempt)
    if not jobs or (attempt.options.throttle and _runs_still(view, attempt)):
        return False
    cluster = Cluster.of(attempt)
    most = cluster.config.max_queued
    if most is None:
        return True
    listing, _ = poll(registry.root, cluster, poll_interval(cluster, time.time() - attempt.created))
    elements = -(-len(jobs) // attempt.behind.largest())
    enough = min(elements, max(int(SHARE * most), 1))
    return listing is not None and most - len(listing.alive) >= enough


def _runs_still(view: View, attempt: Attempt) -> bool:
    """Two arrays throttled to 2 each would run 4: they go one after another."""
    parts = (a for a in view.attempts if attempt.number in (a.number, a.follows))
    return any(map(view.waits_for, parts))


def _next_of(registry: Registry, view: View, attempt: Attempt) -> list[Attempt]:
    jobs = view.jobs_behind(attempt)
    options = replace(
        attempt.options,
        cluster=attempt.cluster,
        resources=attempt.resources,
        chunk=attempt.behind.largest(),
    )
    number = attempt.number
    try:
        with prepared(
            registry, view, jobs, options, retry=attempt.retry, follows=number, patient=False
        ) as ready:
            if not ready.made.attempt.arrays:
                return []  # others were quicker
            return [submit_prepared(ready)]
    except (SubmissionRejected, UsageError, StateError):
        update_attempt(view.layout, replace(attempt, behind=NOTHING))
        raise
