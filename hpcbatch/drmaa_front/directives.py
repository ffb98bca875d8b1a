"""What a submitted script asks for, in its leading comment lines.

``#DRMAA --name=value`` is ours, whatever the scheduler; ``#NATIVE words`` goes into the native
specification as it stands (drmaa_attributes(3); GFD.133, nativeSpecification).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..words.directives import Readers, count, leading_comments, read_directives
from ..words.errors import SubmissionRejected

OURS, NATIVE = "#DRMAA", "#NATIVE"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\Z")  # it is a folder's, too


class Directives(NamedTuple):
    """The directives of one submission; seconds and bytes."""

    name: str
    elements: int = 1
    throttle: int | None = None
    walltime: int | None = None
    memory: int | None = None
    cpus: int = 1
    gpus: int | None = None
    queue: str | None = None
    account: str | None = None
    constraint: str | None = None
    after: tuple[str, ...] = ()  # names of arrays that must have ended
    native: tuple[str, ...] = ()  # lines of the native specification


def parse(script: bytes) -> Directives:
    """Raises SubmissionRejected for a directive that is unknown or has no valid value."""
    lines = leading_comments(script)
    found = read_directives(lines, OURS, _READERS)
    if "name" not in found:
        raise SubmissionRejected(f"the script has no line {OURS} --name=NAME")
    marked = (line.partition(" ") for line in lines)
    native = tuple(rest.strip() for mark, _, rest in marked if mark == NATIVE and rest.strip())
    return Directives(**found, native=native)  # type: ignore[arg-type]


def _name(text: str) -> str:
    if not _NAME.match(text):
        raise ValueError(text)
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(map(_name, text.split(",")))


_COUNT = (count, "a whole number of 1 or more")
_TEXT = (str, "a text")
_READERS: Readers = {
    "name": (_name, "letters, digits, points, dashes and underscores"),
    "elements": _COUNT,
    "throttle": _COUNT,
    "walltime": (count, "a whole number of seconds"),
    "memory": (count, "a whole number of bytes"),
    "cpus": _COUNT,
    "gpus": _COUNT,
    "queue": _TEXT,
    "account": _TEXT,
    "constraint": _TEXT,
    "after": (_names, "names of arrays, with commas between them"),
}
