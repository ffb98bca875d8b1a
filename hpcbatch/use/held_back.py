"""Submits what a task holds back until there is room in the queue (``max_queued``), as room comes.

Whoever tracks a task does it: ``wait``, ``watch``, ``tend``. What goes wrong is noted with the
attempt, for every status to tell; only what its scheduler refuses is given up.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace

from ..cluster.cluster import Cluster
from ..cluster.shared_listings import poll, poll_interval
from ..disk.index import DONE, ERROR
from ..registry.attempts import submitting, update_attempt
from ..registry.registry import Registry
from ..registry.view import View
from ..words.errors import (
    HpcbatchError,
    NotFound,
    RegistryBusy,
    RegistryUnwritable,
    StateError,
    SubmissionRejected,
    SubmissionUnclear,
)
from ..words.look import Look
from ..words.messages import in_short
from ..words.model import Attempt, Setback
from .profiles import kept_cluster
from .submission_pauses import PAUSE, hindrance
from .submit import TrackedSubmission, prepared, settled_view, submit_prepared
from .update import update

SHARE = 0.1  # of all that may be queued: less room is waited for, so that arrays are not too many


def submit_held_back(registry: Registry, view: View, begins: bool = False) -> bool:
    """Submit as much as there is room for, of this task and of those that it waits for. True when
    anything is different now. Who ``begins`` to track tries at once what failed before: it may
    just have been mended. Raises RegistryUnwritable."""
    return _submit_held_back(registry, view, begins, set())


def _submit_held_back(registry: Registry, view: View, begins: bool, fed: set[str]) -> bool:
    fed.add(view.spec.id)
    changed = False
    if not view.holds_jobs_back:
        return changed
    for attempt in filter(view.jobs_held_back, view.attempts):
        for other in _awaited(registry, attempt):
            if other.spec.id not in fed:
                changed |= _submit_held_back(registry, other, begins, fed)
    if _next(registry, view, begins) is None:
        return changed
    with contextlib.suppress(RegistryBusy), submitting(view.layout, 0.0):
        try:
            view = settled_view(registry, view.spec)  # another tracker may just have done it
        except StateError:
            return changed  # an earlier submission is in doubt: it may still show up
        if (ready := _next(registry, view, begins)) is not None:
            changed |= _submit_part(registry, view, ready)
    return changed


def _awaited(registry: Registry, attempt: Attempt) -> Iterator[View]:
    """Other tasks that hold jobs back, and that those held back here wait for."""
    for other_id in (*attempt.options.after, *attempt.options.after_ok):
        with contextlib.suppress(NotFound):  # the submission knows what that means
            other, _ = update(registry, registry.spec(other_id))
            if other.holds_jobs_back:
                yield other


def _next(registry: Registry, view: View, begins: bool) -> Attempt | None:
    """The attempt that holds jobs back which nothing seems to keep from the queue."""
    for attempt in filter(view.jobs_held_back, view.attempts):
        if (
            (begins or not _failed_lately(attempt))
            and not hindrance(view, attempt)
            and Cluster.of(attempt).scheduler.is_reachable(attempt.host)
            and _has_room(registry, view, attempt)
            and not any(_awaited(registry, attempt))
        ):
            return attempt
    return None


def _failed_lately(attempt: Attempt) -> bool:
    return attempt.setback is not None and 0 <= time.time() - attempt.setback.time < PAUSE


def _has_room(registry: Registry, view: View, attempt: Attempt) -> bool:
    """By the last listing, for enough of the attempt's jobs. One that failed changes nothing."""
    try:
        cluster = kept_cluster(view.layout, attempt.number)
    except HpcbatchError:
        return True  # the submission will tell
    most = cluster.config.max_queued
    if most is None:
        return True
    interval = poll_interval(cluster, time.time() - attempt.created, Look.ONCE)
    listing, _ = poll(registry.root, cluster, interval)
    elements = -(-len(view.jobs_held_back(attempt)) // attempt.held_back.largest())
    enough = min(elements, max(int(SHARE * most), 1))
    return listing is not None and most - len(listing.alive) >= enough


def _submit_part(registry: Registry, view: View, attempt: Attempt) -> bool:
    options = replace(
        attempt.options,
        cluster=attempt.cluster,
        resources=attempt.resources,
        chunk=attempt.held_back.largest(),
    )
    if _has_run(view, attempt):
        options = replace(options, after=(), after_ok=())  # they were met
    known = set(registry.ids())
    options = replace(options, after=tuple(other for other in options.after if other in known))
    try:
        if removed := ", ".join(set(options.after_ok) - known):
            raise StateError(
                f"{removed} was removed before it was known to end well: resubmit what waits for it"
            )
        cluster = kept_cluster(view.layout, attempt.number)
        by_itself = TrackedSubmission(cluster, attempt.retry, part_of=attempt.number)
        jobs = view.jobs_held_back(attempt)
        with prepared(registry, view, jobs, options, by_itself=by_itself) as ready:
            if not ready.made.attempt.arrays:
                return False  # others were quicker
            submit_prepared(ready)
    except (RegistryBusy, RegistryUnwritable):
        raise
    except SubmissionRejected as error:
        update_attempt(view.layout, attempt.given_up_for(in_short(error)))
    except SubmissionUnclear:
        pass  # it is looked up by its name before anything else is submitted
    except HpcbatchError as error:
        setback = Setback(time.time(), in_short(error), needs_help=not error.may_pass)
        update_attempt(view.layout, replace(attempt, setback=setback))
    else:
        if attempt.setback is not None:
            update_attempt(view.layout, replace(attempt, setback=None))
    return True


def _has_run(view: View, attempt: Attempt) -> bool:
    """Whether a job of the attempt, or of an earlier part, has ended: what all of it was to wait
    for has come."""
    ended = view.jobs_saying(DONE).union(view.jobs_saying(ERROR))
    parts = (a for a in view.attempts if attempt.number in (a.number, a.part_of))
    return any(part.jobs_taken.without(part.held_back.jobs).common(ended) for part in parts)
