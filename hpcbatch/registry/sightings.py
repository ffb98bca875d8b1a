"""What a listing tells of an attempt's elements: missing ones, requeued ones, and for how long."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Set

from ..disk.boot_id import boot_id
from ..disk.locks import held_by
from ..words.layout import segment_owner
from ..words.model import Attempt, Listing
from .view import View

POLLS_MISSED = 2


def requeued(view: View, attempt: Attempt) -> list[int]:
    """Elements that left by a signal and are listed as waiting after that: they will run once
    more. One that is listed as running may be on its way out (an epilog, a deletion)."""
    endings = view.snapshot.endings.get(attempt.number, {})
    alive = view.alive[attempt.number]
    return [
        element
        for element, ending in endings.items()
        if ending.may_run_again and element in alive and not alive[element].running
    ]


def forget_requeued(view: View, attempt: Attempt) -> bool:
    again = requeued(view, attempt)
    for element in again:
        del view.snapshot.endings[attempt.number][element]
    return bool(again)


def count_missing(view: View, attempt: Attempt, listing: Listing) -> bool:
    """Count a listing that does not show elements which should be alive; each listing once."""
    if not _counts(view, attempt, listing):
        return False
    snapshot = view.snapshot
    before = snapshot.absent.get(attempt.number, {})
    after = {}
    for element in _missing(view, attempt):
        since, polls = before.get(element, (listing.time, 0))
        after[element] = (min(since, listing.time), polls + 1)
    if not after and not before:
        return False
    snapshot.absent[attempt.number] = after
    snapshot.polled[attempt.number] = listing.time
    return True


def is_news(view: View, attempt: Attempt, listing: Listing) -> bool:
    """Whether the listing, or time, may change what is known of the attempt."""
    if view.snapshot.absent.get(attempt.number) or requeued(view, attempt):
        return True
    return _counts(view, attempt, listing) and bool(_missing(view, attempt))


def _counts(view: View, attempt: Attempt, listing: Listing) -> bool:
    """Whether the listing is new, and could show the attempt."""
    known = [array.time or 0.0 for array in attempt.submitted_arrays]
    known.append(view.snapshot.polled.get(attempt.number, 0.0))
    now = time.time()  # a time behind it is of another host's clock, and orders nothing
    return not any(listing.time <= when <= now for when in known)


def _missing(view: View, attempt: Attempt) -> set[int]:
    """Elements that should be alive, and are neither listed nor held by a process here. One that
    told why it left is not missed: the history says more, or nobody does."""
    told = view.snapshot.endings.get(attempt.number, {})
    missing = view.unlisted_elements(attempt) - told.keys()
    return missing - _held(view, attempt, missing) if missing else missing


def gone(absent: Mapping[int, tuple[float, int]], grace: float) -> list[int]:
    now = time.time()
    return [
        element
        for element, (since, polls) in absent.items()
        if polls >= POLLS_MISSED and now - since >= grace
    ]


def _held(view: View, attempt: Attempt, elements: Set[int]) -> set[int]:
    """Those of the elements of which a process on this very host and boot holds a segment."""
    here = os.uname().nodename, boot_id()
    return {
        element
        for name, segment in view.snapshot.segments.items()
        for number, element in (segment_owner(name),)
        if number == attempt.number
        and element in elements
        and not segment.ended
        and (segment.host, segment.boot) == here
        and held_by(f"{view.layout.segments}/{name}") == segment.pid
    }
