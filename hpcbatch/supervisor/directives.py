"""What a submitted script asks for, in its leading ``#LOCAL`` comment lines."""

from __future__ import annotations

import math

from ..words.directives import Readers, count, leading_comments, read_directives

TYPE_CHECKING = False  # see hpcbatch/__init__.py
if TYPE_CHECKING:
    from typing import Any

MARK = "#LOCAL"
MOST_ELEMENTS = 1_000_000


DEFAULTS: dict[str, Any] = {
    "name": "hpcbatch",
    "elements": 1,
    "throttle": None,
    "walltime": None,  # seconds
    "memory": None,  # bytes
    "cpus": 1,
    "kill_wait": 5.0,
    "after": (),  # ids of submissions that must have ended
    "after_ok": (),  # and of those that must have ended well
}


def parse(script: bytes) -> dict[str, Any]:
    """What one submission asks for. Raises SubmissionRejected for a directive that is unknown or
    has no valid value."""
    return {**DEFAULTS, **read_directives(leading_comments(script), MARK, _READERS)}


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
