"""Which element of an attempt runs which jobs."""

from __future__ import annotations

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
        """The number of jobs of the element that has most."""
        return -(-len(self.jobs) // self.elements)

    def _first(self, element: int) -> int:
        share, larger = divmod(len(self.jobs), self.elements)
        return element * share + min(element, larger)
