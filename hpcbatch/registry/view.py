"""A task as it is known at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..disk import index
from ..words.errors import RegistryError
from ..words.layout import TaskLayout
from ..words.model import ALIVE, STATES, Array, Attempt, Ending, Listing, Sighting, TaskSpec
from ..words.ranges import Ranges
from .snapshot import Snapshot
from .states import CODE, RunningProcess, element_states, job_states, processes

_IS_ALIVE = bytes(1 if code in {CODE[s] for s in ALIVE} else 0 for code in range(256))


@dataclass
class View:
    """What records, markers and the last listing tell of a task. By attempt: ``alive`` is what
    that listing shows, ``listed`` when it was asked for."""

    layout: TaskLayout
    spec: TaskSpec
    attempts: list[Attempt]
    snapshot: Snapshot
    alive: dict[int, dict[int, Sighting]] = field(default_factory=dict)
    listed: dict[int, float] = field(default_factory=dict)
    unfolded: RegistryError | None = None  # why newer records are not counted

    @cached_property
    def column(self) -> index.Column:
        return index.read_column(self.layout.index)

    @property
    def said(self) -> bytes:
        """What records say of each job: the index's column."""
        return self.column.said

    @cached_property
    def _processes(self) -> list[RunningProcess]:
        return processes(self.snapshot)

    @cached_property
    def _should_live(self) -> dict[int, list[int]]:
        return {}  # by attempt

    @property
    def index_is_as_committed(self) -> bool:
        """Else a fold goes on or was interrupted, or the index is damaged."""
        return self.snapshot.index in (None, self.column.checksum)

    @cached_property
    def states(self) -> bytes:
        """One code of ``STATES`` a job."""
        return job_states(
            self.spec.njobs,
            self.attempts,
            self.snapshot.endings,
            self._processes,
            self.said,
            self.alive,
        )

    def count_states(self) -> dict[str, int]:
        states = self.states
        return {state: states.count(CODE[state]) for state in STATES}

    def jobs_in(self, wanted: Sequence[str]) -> Ranges:
        """The jobs that are in one of the states ``wanted``."""
        codes = {CODE[state] for state in wanted}
        return Ranges.of_column(self.states.translate(bytes(code in codes for code in range(256))))

    def jobs_saying(self, said: int) -> Ranges:
        """The jobs of which the records say ``said``, a word of ``disk.index``."""
        return Ranges.of_column(self.said.translate(bytes(code == said for code in range(256))))

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

    def jobs_held_back(self, attempt: Attempt) -> Ranges:
        """Jobs that were submitted with the attempt, and still wait for room in the queue."""
        left = Ranges() if attempt.canceled is not None else attempt.jobs_to_come
        for later in self.attempts if left else ():
            if later.number > attempt.number:
                left = left.without(later.jobs_taken)
        return left.without(attempt.canceled_jobs)

    @property
    def holds_jobs_back(self) -> bool:
        return any(map(self.jobs_held_back, self.attempts))

    def ending(self, attempt: Attempt, element: int) -> Ending | None:
        return self.snapshot.endings.get(attempt.number, {}).get(element)

    def vague_attempts(self) -> list[int]:
        """Numbers of attempts with elements whose endings may be known better in a moment."""
        return [
            number
            for number, endings in self.snapshot.endings.items()
            if any(ending.vague for ending in endings.values())
        ]

    def waiting_attempts(self) -> list[Attempt]:
        """Those with elements that should be alive."""
        return [a for a in self.attempts if a.submitted_arrays and self.waits_for(a)]

    def is_at_rest(self) -> bool:
        """Whether nothing that a cluster tells could change it."""
        in_doubt = any(attempt.is_in_doubt for attempt in self.attempts)
        return not (
            in_doubt or self.vague_attempts() or self.waiting_attempts() or self.holds_jobs_back
        )

    def stuck_jobs(self) -> Ranges:
        """Waiting jobs whose elements will never run, or be submitted, without somebody's help."""
        stuck = Ranges()
        for attempt in self.attempts:
            if attempt.setback is not None and attempt.setback.needs_help:
                stuck = stuck.union(self.jobs_held_back(attempt))
            for element, sighting in self.alive.get(attempt.number, {}).items():
                if sighting.stuck:
                    stuck = stuck.union(attempt.plan.jobs_of(element))
        return stuck.common(self.jobs_in(ALIVE)) if stuck else stuck

    def alive_elements(self, attempt: Attempt) -> list[int]:
        """Elements that should be alive: they have jobs without a result, and no ending. What is
        sighted makes no difference."""
        if attempt.number not in self._should_live:
            self._should_live[attempt.number] = list(self._find_alive(attempt))
        return self._should_live[attempt.number]

    def unlisted_elements(self, attempt: Attempt) -> set[int]:
        """Those that should be alive and were not sighted."""
        return set(self.alive_elements(attempt)) - self.alive.get(attempt.number, {}).keys()

    def waits_for(self, attempt: Attempt) -> bool:
        """Whether any element of it should be alive."""
        return bool(self.alive_elements(attempt))

    def _find_alive(self, attempt: Attempt) -> Iterator[int]:
        waiting = self.states.translate(_IS_ALIVE)
        if 1 not in waiting:
            return
        endings = self.snapshot.endings.get(attempt.number, {})
        states = element_states(attempt, endings, self._processes, {})
        for element, runs in enumerate(attempt.plan.shares()):
            if states.get(element) in ALIVE:
                for start, stop in runs:
                    if waiting.find(1, start, stop) >= 0:
                        yield element
                        break

    def sight(self, listings: Mapping[int, Listing]) -> None:
        """Note which elements the listings, by attempt, show alive."""
        self.__dict__.pop("states", None)
        for attempt in self.attempts:
            listing = listings.get(attempt.number)
            if listing is not None:
                self.listed[attempt.number] = listing.time
                endings = self.snapshot.endings.get(attempt.number, {})
                self.alive[attempt.number] = {
                    element: sighting
                    for element, sighting in _sighted(attempt, listing).items()
                    if element not in endings or (endings[element].time or 0) < listing.time
                }


def _sighted(attempt: Attempt, listing: Listing) -> dict[int, Sighting]:
    # a scheduler that forgot its newest arrays in a crash gives their ids out again
    by_id: dict[tuple[str, str], Array] = {(str(a.id), a.name): a for a in attempt.submitted_arrays}
    found = {}
    for sighting in listing.alive:
        array = by_id.get((sighting.array, sighting.name))
        if array is not None:
            offset = 0 if sighting.index is None else sighting.index - array.base
            if 0 <= offset < array.count:
                found[array.first + offset] = sighting
    return found
