"""Arrays of which nobody knows whether they were taken: looked up by their names.

Those of a task and those of a pool alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from ..cluster.cluster import Cluster
from ..words.errors import SchedulerError
from ..words.model import UNKNOWN_ID, Array, Listing


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
