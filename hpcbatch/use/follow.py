"""A task as it is now: records, then its clusters' listings, then their history."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace

from ..cluster.cluster import Cluster
from ..cluster.polls import poll, poll_interval
from ..disk.mounts import is_local_disk
from ..registry import tracker
from ..registry.registry import Registry
from ..registry.tracker import View
from ..words.errors import RegistryBusy
from ..words.model import Attempt, Ending, Listing, TaskSpec
from .clusters import cluster_of
from .settle import settle, unsettled
from .submit import submitting

GRACE_NETWORK = 60.0  # seconds a result may take to be seen over a network file system
GRACE_LOCAL = 5.0
HISTORY_LATE = 30.0  # seconds that a scheduler's history may lag behind


def follow(registry: Registry, spec: TaskSpec) -> tuple[View, tuple[str, ...]]:
    """The task, and notes for a person: failed listings, stuck elements, other hosts."""
    layout = registry.layout(spec.id)
    view = tracker.refresh(layout, spec)
    if view.damage:
        return view, (view.damage,)
    if unsettled(view.attempts):
        view = _settled(view)
    if vague := _vague(view):
        view = tracker.end_elements(layout, spec, vague)
    waiting = [a for a in view.attempts if a.submitted_arrays and view.alive_elements(a)]
    if not waiting:
        return view, ()
    listings: dict[int, Listing] = {}
    graces: dict[int, float] = {}
    notes = []
    for attempt in waiting:
        cluster = cluster_of(attempt)
        if not all(map(cluster.scheduler.is_reachable, _ids(attempt))):
            notes.append(f"attempt {attempt.number} runs on host {attempt.host}: look there")
            continue
        age = time.time() - attempt.created
        listing, failed = poll(registry.root, cluster, poll_interval(cluster, age))
        if failed:
            notes.append(f"the last listing failed, states may be old: {failed}")
        if listing is not None:
            listings[attempt.number] = listing
            graces[attempt.number] = _grace(cluster, registry)
    view, missing = tracker.observe(layout, spec, listings, graces)
    if missing:
        view = tracker.end_elements(layout, spec, _endings(view, missing))
        view.sight(listings)
    notes += [
        f"{len(absent)} elements of attempt {number} are in no listing any more: what became of "
        "them will be known in a moment"
        for number, absent in view.snapshot.absent.items()
        if absent
    ]
    return view, (*dict.fromkeys(notes), *_stuck(view))


def _vague(view: View) -> dict[int, dict[int, Ending]]:
    """Better endings for elements that left by a signal: the scheduler knows why it sent one.

    It may know some seconds late; what it has not told by then stays as the process told it.
    """
    better: dict[int, dict[int, Ending]] = {}
    now = time.time()
    for attempt in view.attempts:
        endings = view.snapshot.endings.get(attempt.number, {})
        vague = {element: ending for element, ending in endings.items() if ending.vague}
        if not vague:
            continue
        told = _history(attempt) if attempt.canceled is None else {}
        for element, ending in vague.items():
            if (known := told.get(element)) is not None:
                better.setdefault(attempt.number, {})[element] = replace(known, time=now)
            elif attempt.canceled is not None or now - (ending.time or 0.0) > HISTORY_LATE:
                better.setdefault(attempt.number, {})[element] = replace(ending, vague=False)
    return better


def _settled(view: View) -> View:
    """Look up submissions in doubt, unless a process is submitting this very moment."""
    with contextlib.suppress(RegistryBusy), submitting(view.layout, 0.0):
        for attempt in unsettled(view.attempts):
            settle(view, attempt, cluster_of(attempt))
        return tracker.refresh(view.layout, view.spec)
    return view


def _ids(attempt: Attempt) -> list[str]:
    return [str(array.id) for array in attempt.submitted_arrays]


def _grace(cluster: Cluster, registry: Registry) -> float:
    for chosen in (cluster.config.grace, cluster.scheduler.grace):
        if chosen is not None:
            return chosen
    return GRACE_LOCAL if is_local_disk(registry.root) else GRACE_NETWORK


def _endings(view: View, missing: Mapping[int, list[int]]) -> dict[int, dict[int, Ending]]:
    """How the missing elements ended: what the scheduler remembers, else ``lost``."""
    endings: dict[int, dict[int, Ending]] = {}
    for attempt in view.attempts:
        elements = missing.get(attempt.number)
        if elements:
            told = _history(attempt)
            now = time.time()
            endings[attempt.number] = {
                element: replace(told.get(element, Ending("lost")), time=now)
                for element in elements
            }
    return endings


def _history(attempt: Attempt) -> dict[int, Ending]:
    arrays = {str(array.id): array for array in attempt.submitted_arrays}
    found = {}
    for ended in cluster_of(attempt).history(list(arrays), attempt.created):
        array = arrays.get(ended.array)
        if array is not None:
            offset = 0 if ended.index is None else ended.index - array.base
            found[array.first + offset] = ended.ending
    return found


def _stuck(view: View) -> list[str]:
    """The schedulers' own words for waiting, as a person should read them."""
    words: dict[str, int] = {}
    for elements in view.alive.values():
        for sighting in elements.values():
            if not sighting.running and sighting.why:
                told = f"{sighting.word} ({sighting.why})"
                words[told] = words.get(told, 0) + 1
    return [f"{count} elements wait: {told}" for told, count in words.items()]
