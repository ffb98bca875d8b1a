"""Sets of whole numbers as sorted, disjoint ranges: ``[(0, 5), (7, 8)]`` is {0,1,2,3,4,7}."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from operator import index

from .errors import UsageError

TYPE_CHECKING = False  # see hpcbatch/__init__.py
if TYPE_CHECKING:
    from typing import Any

LARGEST = 10**15  # number in a text


def whole_numbers(name: str, values: Iterable[Any]) -> list[int]:
    """``values`` as whole numbers; NumPy's count as well. Raises UsageError."""
    try:
        return [index(value) for value in values]
    except TypeError:
        raise UsageError(f"{name}: {values!r} are no whole numbers") from None


class Ranges:
    """A set of job or element numbers; ranks and members are found by bisection.

    ``runs`` is a list of half-open ``(start, stop)`` pairs, sorted, disjoint, none empty.
    """

    __slots__ = ("_before", "runs")

    def __init__(self, runs: Iterable[tuple[int, int]] = ()):
        self.runs = [(start, stop) for start, stop in runs]
        self._before = [0]
        for start, stop in self.runs:
            self._before.append(self._before[-1] + stop - start)

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Ranges:
        """From numbers in any order, repeated or not."""
        ordered = sorted(set(numbers))
        starts, stops = ordered[:1], []
        for number, following in pairwise(ordered):
            if following - number != 1:
                stops.append(number + 1)
                starts.append(following)
        stops += [number + 1 for number in ordered[-1:]]
        return cls(zip(starts, stops, strict=True))

    @classmethod
    def merged(cls, runs: Iterable[tuple[int, int]]) -> Ranges:
        """From runs in any order, overlapping or not."""
        return cls(_merged(list(runs)))

    @classmethod
    def of_column(cls, column: bytes) -> Ranges:
        """The positions of the ones in a column of zeros and ones."""
        runs = []
        start = column.find(1)
        while start >= 0:
            stop = column.find(0, start)
            stop = len(column) if stop < 0 else stop
            runs.append((start, stop))
            start = column.find(1, stop)
        return cls(runs)

    @classmethod
    def parse(cls, text: str) -> Ranges:
        """From text such as ``3,7-9`` (both ends count). Raises UsageError."""
        runs = []
        for part in text.split(","):
            first, dash, last = part.strip().partition("-")
            if _is_negative(part.strip()) or _is_negative(last):
                told = f"{part[:80]!r} in {text[:80]!r}" if part != text else f"{text[:80]!r}"
                raise UsageError(f"{told} is negative: numbers begin at 0, as in 3,7-9")
            try:
                low, high = int(first), int(last if dash else first)
            except ValueError:
                raise UsageError(f"{text[:80]!r} is no list of numbers such as 3,7-9") from None
            if low > high or low < 0:
                raise UsageError(f"{part[:80]!r} in {text[:80]!r} runs backwards")
            if high > LARGEST:
                raise UsageError(f"{part[:80]!r} in {text[:80]!r} is larger than {LARGEST}")
            runs.append((low, high + 1))
        return cls(_merged(runs))

    def spans(self) -> list[list[int]]:
        """First and last of each run, as JSON has them."""
        return [[start, stop - 1] for start, stop in self.runs]

    def union(self, other: Ranges) -> Ranges:
        """The members of either."""
        return Ranges(_merged([*self.runs, *other.runs]))

    def common(self, other: Ranges) -> Ranges:
        """The members of both."""
        runs = []
        for start, stop in self.runs:
            at = max(bisect_right(other.runs, (start, float("inf"))) - 1, 0)
            while at < len(other.runs) and other.runs[at][0] < stop:
                low, high = max(start, other.runs[at][0]), min(stop, other.runs[at][1])
                if low < high:
                    runs.append((low, high))
                at += 1
        return Ranges(runs)

    def without(self, other: Ranges) -> Ranges:
        """The members that ``other`` has not."""
        runs = []
        for start, stop in self.runs:
            for low, high in Ranges([(start, stop)]).common(other).runs:
                if start < low:
                    runs.append((start, low))
                start = high
            if start < stop:
                runs.append((start, stop))
        return Ranges(runs)

    def __str__(self) -> str:
        return ",".join(f"{a}-{b - 1}" if b - a > 1 else str(a) for a, b in self.runs)

    def __repr__(self) -> str:
        return f"Ranges({self})"

    def __len__(self) -> int:
        return self._before[-1]

    def __iter__(self) -> Iterator[int]:
        for start, stop in self.runs:
            yield from range(start, stop)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self.runs == other.runs

    def __hash__(self) -> int:
        return hash(tuple(self.runs))

    def __contains__(self, number: int) -> bool:
        return self.rank(number) is not None

    def rank(self, number: int) -> int | None:
        """How many members are smaller than ``number``; None when it is no member."""
        at = bisect_right(self.runs, (number, float("inf"))) - 1
        if at < 0 or number >= self.runs[at][1]:
            return None
        return self._before[at] + number - self.runs[at][0]

    def slice(self, first: int, last: int) -> Ranges:
        """The members of ranks ``first`` to ``last - 1``."""
        found = []
        at = max(bisect_right(self._before, first) - 1, 0)
        while at < len(self.runs) and self._before[at] < last:
            start, stop = self.runs[at]
            low = start + max(first - self._before[at], 0)
            high = min(stop, start + last - self._before[at])
            if low < high:
                found.append((low, high))
            at += 1
        return Ranges(found)


def chosen(text: str | None) -> Ranges | None:
    """``3,7-9`` as numbers; None, which is all of them, where nothing was given."""
    return None if text is None else Ranges.parse(text)


def _is_negative(text: str) -> bool:
    return text.startswith("-") and text[1:2].isdigit()


def _merged(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs in any order, overlapping or not, as sorted and disjoint ones."""
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(runs):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged
