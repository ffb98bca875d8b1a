"""Asks the clusters of a task that is not at rest: for listings, then for histories."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from ..cluster.cluster import Cluster
from ..cluster.shared_listings import poll, poll_interval
from ..disk.mounts import is_local_disk
from ..registry import observation, tracker
from ..registry.attempts import submitting
from ..registry.registry import Registry
from ..registry.view import View
from ..words.errors import RegistryBusy
from ..words.look import Look
from ..words.model import Attempt, Listing
from ..words.text import counted
from .endings import find_endings
from .in_doubt import settle

GRACE_NETWORK = 60.0  # seconds a result may take to be seen over a network file system
GRACE_LOCAL = 5.0
HISTORY_EVERY = 2.0  # seconds between two questions for the ending of the same elements


def followed(registry: Registry, view: View, look: Look) -> tuple[View, tuple[str, ...]]:
    """What the clusters say of the task, and what becomes of it by that; and notes for a person.

    Raises DamagedFile, RegistryUnwritable.
    """
    doubts: list[str] = []
    if any(attempt.is_in_doubt for attempt in view.attempts):
        view, doubts = _settled(registry, view)
    holding = filter(view.jobs_held_back, view.attempts)
    waiting = list({a.number: a for a in (*view.waiting_attempts(), *holding)}.values())
    listings, graces, notes = _listings(registry, waiting, view.vague_attempts(), look)
    view, missing = observation.observe(view, listings, graces)
    if missing or _is_time_for_history(view):
        view = observation.end_elements(
            view.layout, view.spec, find_endings(view, missing), time.time()
        )
        view.sight(listings)
    waited_for = {attempt.number for attempt in view.waiting_attempts()}
    notes += [
        f"no listing has {counted(len(absent), 'element')} of attempt {number} any more: what "
        "became of them will be known in a moment"
        for number, absent in view.snapshot.absent.items()
        if absent and number in waited_for
    ]
    return view, (*dict.fromkeys((*doubts, *notes)), *_waiting_words(view))


def _listings(
    registry: Registry, attempts: Sequence[Attempt], vague: Sequence[int], look: Look
) -> tuple[dict[int, Listing], dict[int, float], list[str]]:
    """By attempt: its cluster's last listing and its grace; and what to tell a person. Of
    ``vague`` ones a listing soon tells whether what has ended waits again."""
    listings: dict[int, Listing] = {}
    graces: dict[int, float] = {}
    notes = []
    for attempt in attempts:
        cluster = Cluster.of(attempt)
        if not cluster.scheduler.is_reachable(attempt.host):
            notes.append(f"attempt {attempt.number} runs on host {attempt.host}: look there")
            continue
        age = 0.0 if attempt.number in vague else time.time() - attempt.created
        interval = poll_interval(cluster, age, look)
        listing, failed = poll(registry.root, cluster, interval)
        if failed:
            notes.append(f"the last listing failed, states may be old: {failed}")
        if listing is not None:
            listings[attempt.number] = listing
            graces[attempt.number] = _grace(cluster, registry)
    return listings, graces, notes


def _is_time_for_history(view: View) -> bool:
    return bool(view.vague_attempts()) and (
        not 0 <= time.time() - view.snapshot.history_asked < HISTORY_EVERY
    )


def _settled(registry: Registry, view: View) -> tuple[View, list[str]]:
    """Look up submissions in doubt, unless a process is submitting this very moment; and why
    nothing is known of some."""
    notes = []
    with contextlib.suppress(RegistryBusy), submitting(view.layout, 0.0):
        for attempt in filter(lambda attempt: attempt.is_in_doubt, view.attempts):
            cluster = Cluster.of(attempt)
            asked = f"whether attempt {attempt.number} was taken is not known"
            if cluster.scheduler.is_reachable(attempt.host):
                interval = poll_interval(cluster, 0.0, Look.ONCE)
                listing, failed = poll(registry.root, cluster, interval)
                settle(view, attempt, listing)
                notes += [f"{asked}: the last listing failed: {failed}"] if failed else []
            elif attempt.may_still_be_taken:
                notes.append(f"{asked} here: look on host {attempt.host}, or cancel it")
        view = tracker.refresh(view.layout, view.spec)
    return view, notes


def _grace(cluster: Cluster, registry: Registry) -> float:
    for chosen in (cluster.config.grace, cluster.scheduler.grace):
        if chosen is not None:
            return chosen
    return GRACE_LOCAL if is_local_disk(registry.root) else GRACE_NETWORK


def _waiting_words(view: View) -> list[str]:
    """The schedulers' own words for waiting, as a person should read them."""
    words: dict[str, int] = {}
    for elements in view.alive.values():
        for sighting in elements.values():
            if not sighting.running and (sighting.why or sighting.stuck):
                how = "stuck" if sighting.stuck else "waiting"
                told = f"{how}: {sighting.word} ({sighting.why or 'no reason given'})"
                words[told] = words.get(told, 0) + 1
    return [f"{counted(count, 'element')} {told}" for told, count in words.items()]
