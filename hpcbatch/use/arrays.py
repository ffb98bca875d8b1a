"""Arrays on their way to a scheduler: cut to its limit, handed in, looked up by their names.

Elements of a task and workers of a pool go the same way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from ..cluster.cluster import Cluster
from ..cluster.schedulers.answers import Limits
from ..cluster.submission_turns import wait_for_turn
from ..words.errors import CommandTimeout, SchedulerError, SubmissionUnclear
from ..words.layout import new_job_name
from ..words.model import UNKNOWN_ID, Array, Listing
from .busy_schedulers import patiently


def make_arrays(
    elements: int, cluster: Cluster, limits: Limits, owner: str, throttle: int | None = None
) -> tuple[Array, ...]:
    """Arrays that hold all elements of ``owner`` (an id) within the cluster's limit; one array
    where a throttle would need them to wait for one another and the scheduler cannot do that."""
    if not elements:
        return ()
    size = min(limits.array or elements, elements)
    if throttle and not cluster.scheduler.chains:
        size = elements
    scheduler = cluster.scheduler
    return tuple(
        Array(
            new_job_name(owner, scheduler.longest_name),
            first,
            min(size, elements - first),
            scheduler.base,
        )
        for first in range(0, elements, size)
    )


def hand_in(
    root: str,
    cluster: Cluster,
    arrays: Sequence[Array],
    script: Callable[[int], str],
    patience: float,
) -> Iterator[tuple[Array, ...]]:
    """Submit one after another, each by the text of ``script``, which may name the ids of those
    before; yields all of them whenever one was taken. Raises SubmissionUnclear where the scheduler
    may have taken one, else SchedulerError."""
    for number, array in enumerate(arrays):
        text = script(number)
        try:
            wait_for_turn(root, cluster)
            taken = patiently(partial(cluster.submit, text), patience)
        except (CommandTimeout, SubmissionUnclear) as error:
            raise SubmissionUnclear(
                f"cluster {cluster.name} did not answer, and may have taken the submission. "
                f"{error}\nIt is looked up by its name {array.name}; nothing is submitted twice."
            ) from error
        submitted = replace(array, id=taken, time=time.time())
        arrays = (*arrays[:number], submitted, *arrays[number + 1 :])
        yield tuple(arrays)


def look_up(
    arrays: Iterable[Array], listing: Listing, has_run: Callable[[Array], bool]
) -> tuple[Array, ...]:
    """Those without an id get it from a listing made after their submission; else they are
    missing since then."""
    ids = {sighting.name: sighting.array for sighting in listing.alive}

    def looked_up(array: Array) -> Array:
        found = ids.get(array.name)
        if found is None and has_run(array):
            found = UNKNOWN_ID
        if found is None:
            return replace(array, time=array.time or listing.time)
        return replace(array, id=found, time=time.time())

    return tuple(array if array.id is not None else looked_up(array) for array in arrays)


def missing_since(arrays: Iterable[Array]) -> list[float]:
    """Times of the first listings without arrays that were submitted, perhaps."""
    return [a.time for a in arrays if a.id is None and a.time is not None]


def is_hopeless(arrays: Iterable[Array], limit: float) -> bool:
    """Whether one of them is missing since before ``limit``: it was never taken."""
    return any(since < limit for since in missing_since(arrays))


def listing_of(cluster: Cluster, host: str) -> Listing | None:
    """What the cluster lists this very moment of what was submitted on ``host``; None when it
    does not answer, or cannot tell here."""
    try:
        return cluster.listing() if cluster.scheduler.is_reachable(host) else None
    except SchedulerError:
        return None
