"""What a submitted script asks for, in its leading ``#LOCAL`` comment lines."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from typing import NamedTuple

from ..words.errors import SubmissionRejected, nearest

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
    if not script.strip():
        raise SubmissionRejected("there is no script on standard input")
    found: dict[str, object] = {}
    for line in _leading_comments(script):
        if line.split(maxsplit=1)[0] == "#LOCAL":
            for word in _words(line):
                key, value = _directive(word)
                found[key] = value
    return Asked(**found)  # type: ignore[arg-type]  # each value went through its reader


def seconds(text: str) -> float:
    """A time span of 0 or more. Raises ValueError."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError(text)
    return value


def count(text: str) -> int:
    """A whole number of 1 or more. Raises ValueError."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError(text)
    return int(text)


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


_READERS: dict[str, tuple[Callable[[str], object], str]] = {
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
        raise SubmissionRejected(f"#LOCAL {word!r} is no directive{hint}")
    read, wanted = _READERS[key[2:]]
    try:
        if not equals or not text:
            raise ValueError(text)
        return key[2:].replace("-", "_"), read(text)
    except ValueError:
        raise SubmissionRejected(f"#LOCAL {key} wants {wanted}, not {text!r}") from None
