"""When jobs ran, how long, and with how much memory: from the records of all jobs of a task, in
two passes and in memory that does not grow with their number.

Of a job that was tried several times, the last try counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappush, heappushpop

from ..disk.index import BEGUN, DONE, ERROR, EXPIRED, Entry, each_entry
from ..registry.registry import Registry
from ..registry.results import Results
from ..registry.states import CODE
from ..registry.view import View
from ..words.look import Look
from .histograms import Bins, Concurrency
from .update import update

SHOWN = 250  # elements
_ENDED = (DONE, ERROR, EXPIRED)


@dataclass
class Span:
    """What is known of an element: when its first job began and its last one ended, in seconds
    since the epoch (None: it runs), and how many were done and failed."""

    attempt: int
    element: int
    start: float
    end: float | None
    done: int = 0
    failed: int = 0
    host: str = ""
    process: int = 0  # offset of its hello record


@dataclass
class Figures:
    """``busy``: jobs that ran at once; ``times``: seconds of a job; ``memory``: peak bytes of
    one. ``elements`` are those that began last, ``others`` how many there are beside them."""

    elements: list[Span] = field(default_factory=list)
    others: int = 0
    busy: Concurrency | None = None
    times: Bins | None = None
    memory: Bins | None = None


def figures(registry: Registry, task_id: str) -> Figures:
    """Of all jobs that began. Raises NotFound, DamagedFile."""
    view, _ = update(registry, registry.spec(task_id), Look.ON_AND_ON)
    now = time.time()
    found = _with_ranges(view, now)
    if found.busy is None:
        return found
    spans = _Spans()
    for entry, end in _ran(view, now):
        spans.add(entry, None if entry.said == BEGUN else end)
        found.busy.add(entry.started, end)
        if found.times is not None and entry.said != BEGUN:
            found.times.add(end - entry.started)
        if found.memory is not None and entry.memory:
            found.memory.add(entry.memory)
    found.elements, found.others = spans.newest()
    with Results(view.layout) as results:
        for span in found.elements:
            entry = Entry(DONE, span.attempt, span.element, process=span.process)
            span.host = results.process(entry)[0]
    return found


def _ran(view: View, now: float) -> Iterator[tuple[Entry, float]]:
    """Jobs that ended or run, with their end; a clock that was set back makes none negative."""
    states, running = view.states, CODE["running"]
    for job, entry in enumerate(each_entry(view.layout.index)):
        if entry.said in _ENDED and entry.started:
            yield entry, max(entry.ended, entry.started)
        elif entry.said == BEGUN and states[job] == running:
            yield entry, max(now, entry.started)


def _with_ranges(view: View, now: float) -> Figures:
    first = shortest = smallest = float("inf")
    last = longest = largest = 0.0
    for entry, end in _ran(view, now):
        first, last = min(first, entry.started), max(last, end)
        if entry.said != BEGUN:
            elapsed = end - entry.started
            shortest, longest = min(shortest, elapsed), max(longest, elapsed)
        if entry.memory:
            smallest, largest = min(smallest, entry.memory), max(largest, entry.memory)
    return Figures(
        busy=Concurrency(first, last) if last else None,
        times=Bins(shortest, longest) if shortest <= longest else None,
        memory=Bins(smallest, largest) if smallest <= largest else None,
    )


class _Spans:
    """Elements that began last. The jobs of one are neighbours among those of its attempt, so
    that one element of each attempt is open at a time."""

    def __init__(self) -> None:
        self._open: dict[int, Span] = {}
        self._heap: list[tuple[float, int, int, Span]] = []
        self._count = 0

    def add(self, entry: Entry, end: float | None) -> None:
        span = self._open.get(entry.attempt)
        if span is None or span.element != entry.element:
            if span is not None:
                self._close(span)
            span = Span(entry.attempt, entry.element, entry.started, end, process=entry.process)
            self._open[entry.attempt] = span
        span.start = min(span.start, entry.started)
        span.end = None if end is None or span.end is None else max(span.end, end)
        span.done += entry.said == DONE
        span.failed += entry.said in (ERROR, EXPIRED)

    def newest(self) -> tuple[list[Span], int]:
        for span in self._open.values():
            self._close(span)
        shown = [span for _, _, _, span in self._heap]
        shown.sort(key=lambda span: (span.attempt, span.element))
        return shown, self._count - len(shown)

    def _close(self, span: Span) -> None:
        self._count += 1
        ranked = span.start, span.attempt, span.element, span
        if len(self._heap) < SHOWN:
            heappush(self._heap, ranked)
        else:
            heappushpop(self._heap, ranked)
