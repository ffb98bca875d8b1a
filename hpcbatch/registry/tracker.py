"""Works out the state of every job of a task, under ``tracker.lock``.

Records decide; where there are none, an element is alive while the scheduler lists it or its
process holds its segment; an element that was missing from at least two listings for the length
of the grace has ended.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..disk import index
from ..disk.locks import held
from ..disk.records import held_by
from ..words.errors import DamagedFile
from ..words.layout import TaskLayout, segment_owner
from ..words.model import ALIVE, STATES, Array, Attempt, Ending, Listing, Sighting, TaskSpec
from ..words.ranges import Ranges
from .attempts import read_attempts
from .fold import fold, is_folded
from .repair import index_is_whole, mend_index
from .snapshot import Snapshot, read_snapshot
from .states import CODE, element_states, job_states

LOCK_SECONDS = 120.0
POLLS_MISSED = 2
_IS_ALIVE = bytes(1 if code in {CODE[s] for s in ALIVE} else 0 for code in range(256))


@dataclass
class View:
    """A task as it is known at one moment."""

    layout: TaskLayout
    spec: TaskSpec
    attempts: list[Attempt]
    snapshot: Snapshot
    alive: dict[int, dict[int, Sighting]] = field(default_factory=dict)
    damage: str = ""  # why nothing can be folded any more

    @cached_property
    def said(self) -> bytes:
        """What records say of each job: the index's column."""
        return index.read_said(self.layout.index)

    @cached_property
    def states(self) -> bytes:
        """One code of ``STATES`` a job."""
        return job_states(self.spec.njobs, self.attempts, self.snapshot, self.said, self.alive)

    def count_states(self) -> dict[str, int]:
        states = self.states
        return {state: states.count(CODE[state]) for state in STATES}

    def jobs_in(self, wanted: Sequence[str]) -> Ranges:
        """The jobs that are in one of the states ``wanted``."""
        codes = {CODE[state] for state in wanted}
        return _members(self.states.translate(bytes(code in codes for code in range(256))))

    def owner(self, job: int) -> tuple[Attempt, int] | None:
        """The last attempt that took ``job``, and its element there."""
        for attempt in reversed(self.attempts):
            element = attempt.plan.element_of(job)
            if element is not None and any(
                array.first <= element < array.first + array.count
                for array in attempt.submitted_arrays
            ):
                return attempt, element
        return None

    def ending(self, attempt: Attempt, element: int) -> Ending | None:
        return self.snapshot.endings.get(attempt.number, {}).get(element)

    def alive_elements(self, attempt: Attempt) -> list[int]:
        """Elements that should be alive: they have jobs without a result, and no ending."""
        waiting = self.states.translate(_IS_ALIVE)
        states = element_states(attempt, self.snapshot, {})
        return [
            element
            for element, state in states.items()
            if state in ALIVE
            and any(
                waiting.find(1, start, stop) >= 0
                for start, stop in attempt.plan.jobs_of(element).runs
            )
        ]

    def sight(self, listings: Mapping[int, Listing]) -> None:
        """Note which elements the listings, by attempt, show alive."""
        self.__dict__.pop("states", None)
        for attempt in self.attempts:
            listing = listings.get(attempt.number)
            if listing is not None:
                endings = self.snapshot.endings.get(attempt.number, {})
                self.alive[attempt.number] = {
                    element: sighting
                    for element, sighting in _sighted(attempt, listing).items()
                    if element not in endings or (endings[element].time or 0) < listing.time
                }


@contextlib.contextmanager
def _folded(layout: TaskLayout, spec: TaskSpec) -> Iterator[View]:
    """The task with everything folded, and its lock held. Raises RegistryBusy, DamagedFile."""
    with held(layout.tracker_lock, LOCK_SECONDS):
        attempts, snapshot = read_attempts(layout), read_snapshot(layout.status)
        mend_index(layout, spec.njobs, snapshot)
        fold(layout, attempts, snapshot)
        yield View(layout, spec, attempts, snapshot)


def refresh(layout: TaskLayout, spec: TaskSpec) -> View:
    """Fold what is new and return the task as it is now. Asks no scheduler.

    Where results.rec is damaged, what was folded before is told, with the ``damage``.
    """
    attempts, snapshot = read_attempts(layout), read_snapshot(layout.status)
    if index_is_whole(layout, spec.njobs) and is_folded(layout, attempts, snapshot):
        return View(layout, spec, attempts, snapshot)
    try:
        with _folded(layout, spec) as view:
            return view
    except DamagedFile as error:  # what was folded before is still there to be read
        return View(layout, spec, attempts, snapshot, damage=str(error))


def observe(
    layout: TaskLayout, spec: TaskSpec, listings: Mapping[int, Listing], graces: Mapping[int, float]
) -> tuple[View, dict[int, list[int]]]:
    """Compare the task with listings of its clusters, by attempt; returns it and the elements
    that have been missing for longer than their attempt's grace, in seconds."""
    with _folded(layout, spec) as view:
        view.sight(listings)
        missing = {}
        changed = False
        for attempt in view.attempts:
            listing = listings.get(attempt.number)
            if listing is not None:
                changed |= _count_missing(view, attempt, listing)
                absent = view.snapshot.absent.get(attempt.number, {})
                gone = _gone(absent, graces[attempt.number])
                if gone:
                    missing[attempt.number] = gone
        if changed:
            view.snapshot.publish(layout.status)
        return view, missing


def end_elements(
    layout: TaskLayout, spec: TaskSpec, endings: Mapping[int, Mapping[int, Ending]]
) -> View:
    """Note how elements ended that nobody lists any more. A result that still comes counts."""
    with _folded(layout, spec) as view:
        snapshot = view.snapshot
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


def _count_missing(view: View, attempt: Attempt, listing: Listing) -> bool:
    """Count a listing that does not show elements which should be alive; each listing once."""
    submitted = max(array.time or 0.0 for array in attempt.submitted_arrays)
    snapshot = view.snapshot
    if listing.time <= max(submitted, snapshot.polled.get(attempt.number, 0.0)):
        return False
    before = snapshot.absent.get(attempt.number, {})
    after = {}
    for element in view.alive_elements(attempt):
        if element not in view.alive[attempt.number] and not _is_held(view, attempt, element):
            since, polls = before.get(element, (listing.time, 0))
            after[element] = (since, polls + 1)
    if not after and not before:
        return False
    snapshot.absent[attempt.number] = after
    snapshot.polled[attempt.number] = listing.time
    return True


def _gone(absent: Mapping[int, tuple[float, int]], grace: float) -> list[int]:
    now = time.time()
    return [
        element
        for element, (since, polls) in absent.items()
        if polls >= POLLS_MISSED and now - since >= grace
    ]


def _is_held(view: View, attempt: Attempt, element: int) -> bool:
    """Whether a process on this very host and boot still holds a segment of the element."""
    return any(
        held_by(f"{view.layout.segments}/{name}") == segment.pid
        for name, segment in view.snapshot.segments.items()
        if segment_owner(name) == (attempt.number, element)
        and not segment.ended
        and segment.host == os.uname().nodename
        and segment.boot == _boot_id()
    )


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def _sighted(attempt: Attempt, listing: Listing) -> dict[int, Sighting]:
    by_id: dict[str, Array] = {str(a.id): a for a in attempt.submitted_arrays}
    found = {}
    for sighting in listing.alive:
        array = by_id.get(sighting.array)
        if array is not None:
            offset = 0 if sighting.index is None else sighting.index - array.base
            if 0 <= offset < array.count:
                found[array.first + offset] = sighting
    return found


def _members(column: bytes) -> Ranges:
    """The positions of the ones in a column of zeros and ones."""
    runs = []
    start = column.find(1)
    while start >= 0:
        stop = column.find(0, start)
        stop = len(column) if stop < 0 else stop
        runs.append((start, stop))
        start = column.find(1, stop)
    return Ranges(runs)
