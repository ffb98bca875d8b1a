"""Submissions whose outcome nobody wrote down: the client was killed, or the scheduler did not
answer. They are looked up by their unique names, and tried again only after a grace.
"""

from __future__ import annotations

import time
from dataclasses import replace

from ..cluster.cluster import Cluster
from ..disk.index import read_entries
from ..registry.attempts import update_attempt
from ..registry.view import View
from ..words.layout import segment_owner
from ..words.model import Array, Attempt, Listing
from .array_lookup import is_hopeless, listing_of, look_up, missing_since

GRACE = 60.0  # seconds that a submission may take to show up in a listing
NEVER_TAKEN = "the submission was interrupted before the scheduler took it"


def settle(view: View, attempt: Attempt, listing: Listing | None) -> Attempt:
    """Adopt the arrays that the scheduler lists or that left records; called under the submit
    lock. Arrays that were missing from listings for the length of the grace are given up, so that
    their jobs can be submitted again. Returns the attempt as it is then.

    The grace begins with the first listing, not with the submission: until then the client may
    have waited for an answer, and the scheduler may have been too busy to read the request.
    """
    if listing is None or listing.time < attempt.created:
        return attempt
    arrays = look_up(attempt.arrays, listing, lambda array: _left_records(view, attempt, array))
    settled = replace(attempt, arrays=arrays)
    if is_hopeless(settled.arrays, listing.time - GRACE):
        settled = settled.given_up_for(NEVER_TAKEN)
    if settled != attempt:
        update_attempt(view.layout, settled)
    return settled


def ask(attempt: Attempt) -> Listing | None:
    """What the attempt's cluster lists this very moment; None when it does not answer."""
    return listing_of(Cluster.of(attempt), attempt.host)


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
    since = min(missing_since(attempt.arrays), default=time.time())
    return max(since + GRACE - time.time(), 0.0)
