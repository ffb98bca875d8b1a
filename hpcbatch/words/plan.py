"""Which element of an attempt runs which jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .ranges import Ranges


class Plan:
    """``jobs`` dealt to ``elements`` processes in order, in shares that differ by one at most.

    Arithmetic both ways, so that it stays small on disk however many jobs there are.
    """

    __slots__ = ("elements", "jobs")

    def __init__(self, jobs: Ranges, elements: int):
        self.jobs = jobs
        self.elements = elements

    def jobs_of(self, element: int) -> Ranges:
        return self.jobs_between(element, element + 1)

    def jobs_between(self, first: int, stop: int) -> Ranges:
        """The jobs of elements ``first`` to ``stop - 1``."""
        return self.jobs.slice(self._first(first), self._first(stop))

    def shares(self) -> Iterator[list[tuple[int, int]]]:
        """Runs of the jobs of each element, in the order of elements: ``jobs_of`` for all."""
        runs = iter(self.jobs.runs)
        start, stop = 0, 0
        share, larger = divmod(len(self.jobs), self.elements or 1)
        for element in range(self.elements):
            left, own = share + (element < larger), []
            while left:
                if start == stop:
                    start, stop = next(runs)
                taken = min(left, stop - start)
                own.append((start, start + taken))
                start, left = start + taken, left - taken
            yield own

    def element_of(self, job: int) -> int | None:
        """The element that runs ``job``; None when the plan does not hold it."""
        rank = self.jobs.rank(job)
        if rank is None:
            return None
        share, larger = divmod(len(self.jobs), self.elements)
        if rank < larger * (share + 1):
            return rank // (share + 1)
        return larger + (rank - larger * (share + 1)) // share

    def largest(self) -> int:
        """The number of jobs of the element that has most; 0 without elements."""
        return -(-len(self.jobs) // self.elements) if self.elements else 0

    def parted(self, elements: int) -> tuple[Plan, Plan]:
        """The plan of the first ``elements``, and that of the others."""
        now = min(elements, self.elements)
        stop = self._first(now)
        return (
            Plan(self.jobs.slice(0, stop), now),
            Plan(self.jobs.slice(stop, len(self.jobs)), self.elements - now),
        )

    def without(self, jobs: Ranges) -> Plan:
        """Of the other jobs, in elements no larger than before."""
        left = self.jobs.without(jobs)
        return Plan(left, -(-len(left) // (self.largest() or 1)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.jobs, self.elements))

    def to_json(self) -> dict[str, Any]:
        return {"jobs": self.jobs.runs, "elements": self.elements}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Plan:
        return cls(Ranges((start, stop) for start, stop in fields["jobs"]), fields["elements"])

    def _first(self, element: int) -> int:
        share, larger = divmod(len(self.jobs), self.elements)
        return element * share + min(element, larger)


NOTHING = Plan(Ranges(), 0)
