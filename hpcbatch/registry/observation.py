"""What listings and histories of schedulers tell of a task's elements, under ``tracker.lock``.

An element that was missing from at least two listings for the length of the grace has ended.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..words.layout import TaskLayout, segment_owner
from ..words.model import Ending, Listing, TaskSpec
from .locked_view import locked_view
from .sightings import count_missing, forget_requeued, gone, is_news
from .view import View


def observe(
    view: View, listings: Mapping[int, Listing], graces: Mapping[int, float]
) -> tuple[View, dict[int, list[int]]]:
    """Compare the task with listings of its clusters, by attempt; returns it and the elements
    that have been missing for longer than their attempt's grace, in seconds.

    Nothing is decided by a view that is older than a listing: where an element is missing, the
    task is folded again first.
    """
    view.sight(listings)
    if not any(is_news(view, a, listings[a.number]) for a in view.attempts if a.number in listings):
        return view, {}
    layout = view.layout
    with locked_view(layout, view.spec) as view:
        view.sight(listings)
        missing = {}
        changed = False
        for attempt in view.attempts:
            listing = listings.get(attempt.number)
            if listing is not None:
                changed |= forget_requeued(view, attempt)
                changed |= count_missing(view, attempt, listing)
                absent = view.snapshot.absent.get(attempt.number, {})
                ended = gone(absent, graces[attempt.number])
                if ended:
                    missing[attempt.number] = ended
        if changed:
            view.snapshot.publish(layout.status)
        return view, missing


def end_elements(
    layout: TaskLayout,
    spec: TaskSpec,
    endings: Mapping[int, Mapping[int, Ending]],
    asked: float,
) -> View:
    """Note how elements ended that nobody lists any more, and when histories were asked for it
    (seconds since the epoch). A result that still comes counts."""
    with locked_view(layout, spec) as view:
        snapshot = view.snapshot
        snapshot.history_asked = asked
        for number, by_element in endings.items():
            absent = snapshot.absent.get(number, {})
            for element, ending in by_element.items():
                snapshot.endings.setdefault(number, {})[element] = ending
                absent.pop(element, None)
            for name, segment in snapshot.segments.items():
                owner, element = segment_owner(name)
                segment.lost |= owner == number and element in by_element
        snapshot.publish(layout.status)
        return view
