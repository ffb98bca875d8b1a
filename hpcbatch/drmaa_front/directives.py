"""What a submitted script asks for, in its leading comment lines.

``#DRMAA --name=value`` is ours, whatever the scheduler; ``#NATIVE words`` goes into the native
specification as it stands (drmaa_attributes(3); GFD.133, nativeSpecification).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import NamedTuple

from ..words.errors import SubmissionRejected, nearest

OURS, NATIVE = "#DRMAA", "#NATIVE"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\Z")  # it is a folder's, too


class Asked(NamedTuple):
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


def parse(script: bytes) -> Asked:
    """Raises SubmissionRejected for a directive that is unknown or has no valid value."""
    if not script.strip():
        raise SubmissionRejected("there is no script on standard input")
    found: dict[str, object] = {}
    native = []
    for line in _leading_comments(script):
        mark, _, rest = line.partition(" ")
        if mark == NATIVE:
            native.append(rest.strip())
        elif mark == OURS:
            for word in _words(line):
                key, value = _directive(word)
                found[key] = value
    if "name" not in found:
        raise SubmissionRejected(f"the script has no line {OURS} --name=NAME")
    return Asked(**found, native=tuple(filter(None, native)))  # type: ignore[arg-type]


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError(text)
    return int(text)


def _name(text: str) -> str:
    if not _NAME.match(text):
        raise ValueError(text)
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(map(_name, text.split(",")))


_COUNT = (_count, "a whole number of 1 or more")
_TEXT = (str, "a text")
_READERS: dict[str, tuple[Callable[[str], object], str]] = {
    "name": (_name, "letters, digits, points, dashes and underscores"),
    "elements": _COUNT,
    "throttle": _COUNT,
    "walltime": (_count, "a whole number of seconds"),
    "memory": (_count, "a whole number of bytes"),
    "cpus": _COUNT,
    "gpus": _COUNT,
    "queue": _TEXT,
    "account": _TEXT,
    "constraint": _TEXT,
    "after": (_names, "names of arrays, with commas between them"),
}


def _leading_comments(script: bytes) -> list[str]:
    lines = []
    for line in script.decode("utf-8", "surrogateescape").split("\n"):
        if line.strip() and not line.startswith("#"):
            break
        if line.strip():
            lines.append(line)
    return lines


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)[1:]
    except ValueError as error:
        raise SubmissionRejected(f"cannot read the directive {line!r}: {error}") from None


def _directive(word: str) -> tuple[str, object]:
    key, equals, text = word.partition("=")
    if not key.startswith("--") or key[2:] not in _READERS:
        hint = nearest(key.lstrip("-"), _READERS)
        raise SubmissionRejected(f"{OURS} {word!r} is no directive{hint}")
    read, wanted = _READERS[key[2:]]
    try:
        if not equals or not text:
            raise ValueError(text)
        return key[2:], read(text)
    except ValueError:
        raise SubmissionRejected(f"{OURS} {key} wants {wanted}, not {text!r}") from None
