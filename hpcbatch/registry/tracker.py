"""Works out the state of every job of a task, under ``tracker.lock``.

Records decide; where there are none, an element is alive while the scheduler lists it or its
process holds its segment; an element that was missing from at least two listings for the length
of the grace has ended.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping, Sequence

from ..disk.locks import held
from ..disk.mounts import locks_reach_other_hosts
from ..words.errors import DamagedFile, RegistryError, RegistryUnwritable
from ..words.layout import TaskLayout, segment_owner
from ..words.model import Attempt, Ending, Listing, TaskSpec
from .attempts import read_attempts
from .fold import fold, is_folded, segment_names
from .repair import index_is_whole, mend_index
from .sightings import count_missing, forget_requeued, gone, is_news
from .snapshot import Snapshot, read_snapshot
from .view import View

LOCK_SECONDS = 120.0
FOLD_HERE = "HPCBATCH_FOLD_HERE"


@contextlib.contextmanager
def _folded(layout: TaskLayout, spec: TaskSpec) -> Iterator[View]:
    """The task with everything folded, and its lock held. Raises RegistryBusy, DamagedFile,
    RegistryUnwritable."""
    with held(layout.tracker_lock, LOCK_SECONDS):
        try:
            attempts, snapshot = read_attempts(layout), read_snapshot(layout.status)
            _check_folds_here(layout, attempts)
            column = mend_index(layout, spec.njobs, snapshot)
            view = View(layout, spec, attempts, snapshot)
            if not fold(layout, attempts, snapshot) and column is not None:
                view.column = column  # read a moment ago
        except RegistryError:
            raise
        except OSError as error:
            raise RegistryError(f"{layout.folder} cannot be read now: {error}") from error
        yield view


def _check_folds_here(layout: TaskLayout, attempts: Sequence[Attempt]) -> None:
    """Two hosts that fold at once destroy each other's work: where the lock does not keep the
    other out, the host that submitted last is the one. Raises RegistryUnwritable."""
    here = os.uname().nodename
    host = attempts[-1].host if attempts else here
    if host == here or locks_reach_other_hosts(layout.folder) or os.environ.get(FOLD_HERE):
        return
    raise RegistryUnwritable(
        errno.ENOLCK,
        f"file locks do not reach other hosts on the disk of {layout.folder}, so records are "
        f"folded on {host} alone, which submitted last. Ask there; or, when nobody does, set "
        f"{FOLD_HERE}=1",
    )


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
        with _folded(layout, spec) as view:
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
    view.sight(listings)
    if not any(is_news(view, a, listings[a.number]) for a in view.attempts if a.number in listings):
        return view, {}
    layout = view.layout
    with _folded(layout, view.spec) as view:
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
    with _folded(layout, spec) as view:
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
