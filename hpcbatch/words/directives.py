"""What a script asks one of our own programs for, in its leading comment lines:
``#MARK --name=value``."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping

from .errors import SubmissionRejected
from .messages import nearest

# by name: the value's reader, which raises ValueError, and what it wants in words
Readers = Mapping[str, tuple[Callable[[str], object], str]]


def leading_comments(script: bytes) -> list[str]:
    """The lines before the first that a shell would run. Raises SubmissionRejected when there is
    no script."""
    if not script.strip():
        raise SubmissionRejected("there is no script on standard input")
    lines = []
    for line in script.decode("utf-8", "surrogateescape").split("\n"):
        if line.strip() and not line.startswith("#"):
            break
        if line.strip():
            lines.append(line)
    return lines


def read_directives(lines: list[str], mark: str, readers: Readers) -> dict[str, object]:
    """What the lines of ``mark`` ask for, by name with underscores; the last of a name counts.
    Raises SubmissionRejected for a directive that is unknown or has no valid value."""
    found = {}
    for line in lines:
        if line.split(maxsplit=1)[0] == mark:
            for word in _words(line):
                name, value = _directive(word, mark, readers)
                found[name.replace("-", "_")] = value
    return found


def count(text: str) -> int:
    """A whole number of 1 or more. Raises ValueError."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError(text)
    return int(text)


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)[1:]
    except ValueError as error:
        raise SubmissionRejected(f"cannot read the directive {line!r}: {error}") from None


def _directive(word: str, mark: str, readers: Readers) -> tuple[str, object]:
    key, equals, text = word.partition("=")
    name = key.removeprefix("--")
    if not key.startswith("--") or name not in readers:
        raise SubmissionRejected(
            f"{mark} {word!r} is no directive{nearest(key.lstrip('-'), readers)}"
        )
    read, wanted = readers[name]
    try:
        if not equals or not text:
            raise ValueError(text)
        return name, read(text)
    except ValueError:
        raise SubmissionRejected(f"{mark} {key} wants {wanted}, not {text!r}") from None
