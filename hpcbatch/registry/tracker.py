"""Works out the state of every job of a task.

Records decide; where there are none, an element is alive while the scheduler lists it or its
process holds its segment; an element that was missing from at least two listings for the length
of the grace has ended.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..words.errors import DamagedFile, RegistryUnwritable
from ..words.layout import TaskLayout, segment_owner
from ..words.model import Attempt, Ending, Listing, TaskSpec
from .attempts import read_attempts
from .folded import index_is_whole, is_folded, segment_names
from .snapshot import Snapshot, read_snapshot
from .view import View


def refresh(layout: TaskLayout, spec: TaskSpec) -> View:
    """Fold what is new and return the task as it is now. Asks no scheduler.

    Where nothing can be folded, what was folded before is told, and why (``unfolded``).
    """
    try:
        if index_is_whole(layout, spec.njobs):
            names = segment_names(layout)
            attempts, snapshot = read_attempts(layout), read_snapshot(layout.status)
            if is_folded(layout, names, attempts, snapshot):
                view = View(layout, spec, attempts, snapshot)
                if view.index_is_as_committed:
                    return view
        from .locked_view import locked_view  # and all that folds

        with locked_view(layout, spec) as view:
            return view
    except (DamagedFile, RegistryUnwritable) as error:
        if not index_is_whole(layout, spec.njobs):
            raise
        attempts, snapshot = _readable(layout)
        return View(layout, spec, attempts, snapshot, unfolded=error)


def _readable(layout: TaskLayout) -> tuple[list[Attempt], Snapshot]:
    """What is not damaged: results can be read without the rest."""
    attempts = read_attempts(layout, but_damaged=True)
    try:
        return attempts, read_snapshot(layout.status)
    except DamagedFile:
        return attempts, Snapshot()


def observe(
    view: View, listings: Mapping[int, Listing], graces: Mapping[int, float]
) -> tuple[View, dict[int, list[int]]]:
    """Compare the task with listings of its clusters, by attempt; returns it and the elements
    that have been missing for longer than their attempt's grace, in seconds.

    Nothing is decided by a view that is older than a listing: where an element is missing, the
    task is folded again first.
    """
    from .locked_view import locked_view
    from .sightings import count_missing, forget_requeued, gone, is_news

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
    from .locked_view import locked_view

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
