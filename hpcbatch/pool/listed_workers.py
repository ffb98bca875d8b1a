"""Finds the workers of a launch in what a cluster lists, and ends them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..cluster.cluster import Cluster
from ..use.array_lookup import is_hopeless, listing_of, look_up
from ..use.in_doubt import GRACE, NEVER_TAKEN
from ..words.errors import SchedulerError
from ..words.model import Array, Listing, Sighting
from .launch_records import Launch


def adopted(launch: Launch, listing: Listing) -> Launch:
    """With the ids of those arrays whose submission was interrupted and that were taken; given up
    where one has not shown up for too long."""
    found = replace(launch, arrays=look_up(launch.arrays, listing, lambda array: False))
    if is_hopeless(found.arrays, listing.time - GRACE):
        return found.given_up_for(NEVER_TAKEN)
    return found


def alive_of(launch: Launch, listing: Listing) -> list[tuple[int, Sighting]]:
    """Elements of the launch that are listed, by their numbers. An array is known by its name
    where nobody wrote its id down."""
    by_id = {array.id: array for array in launch.arrays if array.id is not None}
    by_name = {array.name: array for array in launch.arrays if array.id is None}
    return [
        (element_of(array, sighting.index), sighting)
        for sighting in listing.alive
        if (array := by_id.get(sighting.array) or by_name.get(sighting.name)) is not None
    ]


def element_of(array: Array, index: int | None) -> int:
    return array.first if index is None else array.first + index - array.base


def end_launches(cluster: Cluster, launches: Iterable[Launch]) -> list[str]:
    """End what is alive of them; returns what the scheduler objected to. Where it does not list,
    all that it has taken is canceled."""
    told = [launch for launch in launches if launch.arrays]
    if not told:
        return []
    objections = []
    listing = listing_of(cluster, told[0].host)
    for array in _arrays_to_end(told, listing):
        try:
            cluster.cancel(array)
        except SchedulerError as error:
            objections.append(f"{cluster.name} objects: {error}")
    return objections


def _arrays_to_end(launches: Iterable[Launch], listing: Listing | None) -> list[str]:
    if listing is None:
        return [array.id for launch in launches for array in launch.arrays if array.id is not None]
    alive = (sighting.array for launch in launches for _, sighting in alive_of(launch, listing))
    return list(dict.fromkeys(alive))
