"""The logs of elements, and which part of one is a job's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from ..disk.files import read_at
from ..disk.index import BEGUN, DONE, ERROR, EXPIRED, Entry, read_entries
from ..registry.results import Results
from ..registry.view import View
from ..words.layout import TaskLayout
from ..words.model import Attempt

LARGEST_LOG = 16 << 20  # bytes of what a job printed that are read


class LogPart(NamedTuple):
    """``content`` lies at the byte ``begin`` of a log that has ``size`` bytes by now."""

    begin: int
    size: int
    content: bytes


def begun_in(entry: Entry | None, attempt: Attempt) -> Entry | None:
    """The entry of a job that began in this very attempt."""
    if entry is None or entry.said != BEGUN or entry.attempt != attempt.number:
        return None
    return entry


def begin_in_log(view: View, entry: Entry | None, attempt: Attempt, element: int) -> int | None:
    """Where a job that has no outcome prints to its element's log: behind the last that has one.
    None for one that has not begun, where others have. Raises DamagedFile."""
    known = read_entries(view.layout.index, attempt.plan.jobs_of(element))
    ran = {job: one for job, one in known.items() if one.attempt == attempt.number}
    if not ran:
        return 0
    if not begun_in(entry, attempt):
        return None
    ended = [job for job, one in ran.items() if one.said in (DONE, ERROR, EXPIRED)]
    if not ended:
        return 0
    last = max(ended, key=lambda job: ran[job].ended)
    with Results(view.layout) as results:
        return results.event(last, ran[last]).log_end


def read_part(
    layout: TaskLayout,
    attempts: Sequence[Attempt],
    place: tuple[int, int],
    begin: int,
    most: int,
) -> LogPart:
    """At most ``most`` bytes from ``begin`` on (a negative one counts from the end) of the log of
    an attempt's element, its ``place``; nothing where there is no log."""
    try:
        with open(_log_path(layout, attempts, *place), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = max(size + begin, 0) if begin < 0 else min(begin, size)
            return LogPart(start, size, read_at(file.fileno(), most, start))
    except FileNotFoundError:
        return LogPart(0, 0, b"")


def read_log(view: View, attempt: int, element: int, begin: int = 0, end: int | None = None) -> str:
    """Bytes ``begin`` to ``end`` of an element's log; a negative ``begin`` counts from its end. Of
    very many the last are read."""

    def part(begin: int, most: int) -> LogPart:
        return read_part(view.layout, view.attempts, (attempt, element), begin, most)

    first, size, _ = part(begin, 0)
    length = max(min(size, size if end is None else end) - first, 0)
    left_out = max(length - LARGEST_LOG, 0)
    told = part(first + left_out, length - left_out).content.decode("utf-8", "replace")
    return f"[{left_out:,} bytes are left out here]\n{told}" if left_out else told


def _log_path(layout: TaskLayout, attempts: Sequence[Attempt], number: int, element: int) -> str:
    folder = next((attempt.logs for attempt in attempts if attempt.number == number), "")
    return layout.log(number, element, folder)
