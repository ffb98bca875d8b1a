"""Submissions whose outcome nobody wrote down: the client was killed, or the scheduler did not
answer. They are looked up by their unique names, and tried again only after a grace.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from ..cluster.cluster import Cluster
from ..disk.index import read_entries
from ..registry.attempts import update_attempt
from ..registry.tracker import View
from ..words.errors import SchedulerError
from ..words.layout import segment_owner
from ..words.model import Array, Attempt

GRACE = 60.0  # seconds that a submission may take to show up in a listing
UNKNOWN_ID = "unknown"  # it ran and ended before anybody asked for its id
NEVER_TAKEN = "the submission was interrupted before the scheduler took it"


def unsettled(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Attempts with arrays that may or may not have been submitted."""
    return [
        attempt
        for attempt in attempts
        if not attempt.rejected and any(array.id is None for array in attempt.arrays)
    ]


def settle(view: View, attempt: Attempt, cluster: Cluster) -> Attempt:
    """Adopt the arrays that the scheduler lists or that left records; called under the submit
    lock. After the grace, arrays that never showed up are given up, so that their jobs can be
    submitted again. Returns the attempt as it is then.
    """
    try:
        listing = cluster.listing()
    except SchedulerError:
        return attempt
    ids = {sighting.name: sighting.array for sighting in listing.alive}
    arrays = tuple(
        array if array.id is not None else _adopted(view, attempt, array, ids)
        for array in attempt.arrays
    )
    settled = replace(attempt, arrays=arrays)
    if any(array.id is None for array in arrays) and time.time() - attempt.created > GRACE:
        settled = replace(settled, rejected=NEVER_TAKEN)
    if settled != attempt:
        update_attempt(view.layout, settled)
    return settled


def _adopted(view: View, attempt: Attempt, array: Array, ids: dict[str, str]) -> Array:
    found = ids.get(array.name)
    if found is None and _left_records(view, attempt, array):
        found = UNKNOWN_ID
    return array if found is None else replace(array, id=found, time=time.time())


def _left_records(view: View, attempt: Attempt, array: Array) -> bool:
    elements = range(array.first, array.first + array.count)
    for name in view.snapshot.segments:
        number, element = segment_owner(name)
        if number == attempt.number and element in elements:
            return True
    jobs = attempt.plan.jobs_between(array.first, array.first + array.count)
    entries = read_entries(view.layout.index, jobs)
    return any(entry.attempt == attempt.number for entry in entries.values())


def waiting_seconds(attempt: Attempt) -> float:
    """How long until an attempt that never shows up is given up."""
    return max(attempt.created + GRACE - time.time(), 0.0)
