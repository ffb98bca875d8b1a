"""Numbers in bins: how many are how large, and how much goes on when."""

from __future__ import annotations

from itertools import accumulate
from math import exp, log

WIDE = 20.0  # largest over smallest, from which on bins grow
NARROW = 1.02  # up to which all are taken for equal
MOST = 24  # bins of a histogram
MOMENTS = 120  # bins of a course of time


class Bins:
    """A histogram of numbers from ``low`` to ``high``: ``counts`` between ``edges``, which grow by
    a factor where the numbers differ much, else by a step."""

    def __init__(self, low: float, high: float):
        self.low, self.high = low, high
        self.count, self.sum = 0, 0.0
        self._grows = low > 0 and high / low > WIDE
        bins = 1 if high <= low * NARROW else MOST
        begin, end = (log(low), log(high)) if self._grows else (low, high)
        self._begin, self._step = begin, (end - begin) / bins
        self.counts = [0] * bins

    def add(self, number: float) -> None:
        position = log(max(number, self.low)) if self._grows else number
        at = int((position - self._begin) / self._step) if self._step else 0
        self.counts[min(max(at, 0), len(self.counts) - 1)] += 1
        self.count += 1
        self.sum += number

    @property
    def edges(self) -> list[float]:
        inner = [self._begin + self._step * at for at in range(1, len(self.counts))]
        return [self.low, *(exp(edge) if self._grows else edge for edge in inner), self.high]

    @property
    def mean(self) -> float:
        return self.sum / self.count if self.count else 0.0


class Concurrency:
    """How much ran at once between ``start`` and ``end``, on average in each of some bins."""

    def __init__(self, start: float, end: float):
        self.start, self.end = start, max(end, start + 0.001)
        self._width = (self.end - self.start) / MOMENTS
        self._steps = [0.0] * (MOMENTS + 1)  # what begins in a bin, and lasts
        self._parts = [0.0] * MOMENTS  # of bins that something fills in part

    def add(self, start: float, end: float) -> None:
        first, last = self._place(start), self._place(end)
        a, b = min(int(first), MOMENTS - 1), min(int(last), MOMENTS - 1)
        if a == b:
            self._parts[a] += last - first
            return
        self._parts[a] += a + 1 - first
        self._parts[b] += last - b
        self._steps[a + 1] += 1
        self._steps[b] -= 1

    @property
    def levels(self) -> list[float]:
        lasting = accumulate(self._steps[:-1])
        return [part + whole for part, whole in zip(self._parts, lasting, strict=True)]

    def _place(self, moment: float) -> float:
        return min(max((moment - self.start) / self._width, 0.0), float(MOMENTS))
