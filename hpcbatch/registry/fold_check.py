"""Whether there is anything to fold: all that a status of a task at rest has to ask."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..disk.index import ENTRY
from ..words.layout import TaskLayout
from ..words.model import Attempt
from .snapshot import Snapshot


def is_folded(
    layout: TaskLayout, names: Sequence[str], attempts: Sequence[Attempt], snapshot: Snapshot
) -> bool:
    """Whether a fold would find nothing to do; asked without the lock. ``names`` are those of
    segments, listed before ``snapshot`` was read."""
    if not attempts:
        return not names and not snapshot.segments
    submitted = [attempt.number for attempt in attempts if attempt.is_taken]
    return (
        snapshot.committed > 0
        and max(submitted, default=0) <= snapshot.superseded
        and not any(state.ended for state in snapshot.segments.values())
        and not any(_has_grown(layout, name, snapshot) for name in names)
    )


def _has_grown(layout: TaskLayout, name: str, snapshot: Snapshot) -> bool:
    """The file is opened: that is what makes its growth seen over a network."""
    known = snapshot.segments.get(name)
    if known is None:
        return True
    try:
        fd = os.open(f"{layout.segments}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # folded a moment ago
        return True
    try:
        return os.fstat(fd).st_size != known.cursor
    finally:
        os.close(fd)


def segment_names(layout: TaskLayout) -> list[str]:
    try:
        return sorted(name for name in os.listdir(layout.segments) if name.endswith(".seg"))
    except FileNotFoundError:
        return []


def index_is_whole(layout: TaskLayout, njobs: int) -> bool:
    try:
        with open(layout.index, "rb") as file:
            return os.fstat(file.fileno()).st_size == njobs * ENTRY.size
    except FileNotFoundError:
        return False
