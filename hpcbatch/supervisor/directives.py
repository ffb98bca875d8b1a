"""What a submitted script asks for, in its leading ``#LOCAL`` comment lines."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..words.directives import Readers, count, leading_comments, read_directives

MARK = "#LOCAL"
MOST_ELEMENTS = 1_000_000


class Asked(NamedTuple):
    """The directives of one submission; seconds and bytes."""

    name: str = "hpcbatch"
    elements: int = 1
    throttle: int | None = None
    walltime: float | None = None
    memory: int | None = None
    cpus: int = 1
    kill_wait: float = 5.0
    after: tuple[str, ...] = ()  # ids of submissions that must have ended
    after_ok: tuple[str, ...] = ()  # and of those that must have ended well


def parse(script: bytes) -> Asked:
    """Raises SubmissionRejected for a directive that is unknown or has no valid value."""
    found = read_directives(leading_comments(script), MARK, _READERS)
    return Asked(**found)  # type: ignore[arg-type]  # each value went through its reader


def seconds(text: str) -> float:
    """A time span of 0 or more. Raises ValueError."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError(text)
    return value


def _elements(text: str) -> int:
    if count(text) > MOST_ELEMENTS:
        raise ValueError(text)
    return int(text)


def _walltime(text: str) -> float:
    if seconds(text) == 0:
        raise ValueError(text)
    return float(text)


def _ids(text: str) -> tuple[str, ...]:
    ids = tuple(text.split(","))
    if not all(ids):
        raise ValueError(text)
    return ids


_READERS: Readers = {
    "name": (str, "a text"),
    "elements": (_elements, f"a whole number from 1 to {MOST_ELEMENTS}"),
    "throttle": (count, "a whole number of 1 or more"),
    "walltime": (_walltime, "a number of seconds above 0"),
    "memory": (count, "a whole number of bytes"),
    "cpus": (count, "a whole number of 1 or more"),
    "kill-wait": (seconds, "a number of seconds"),
    "after": (_ids, "ids of submissions, with commas between them"),
    "after-ok": (_ids, "ids of submissions, with commas between them"),
}
