"""Failed jobs that failed alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..words.errors import JobError
from ..words.ranges import Ranges

_ID = re.compile(r"0x[0-9a-fA-F]+|\d{4,}")
# a number of its own; behind a word such as status it tells why, and is kept
_NUMBER = re.compile(
    r"(?P<kept>\b(?:status|error|errno|code|signal)\W{1,2}\d{1,3}\b(?!\.?\d))"
    rf"|{_ID.pattern}|(?<![A-Za-z])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?",
    re.IGNORECASE,
)
_WITH_STATUS = ("", "ProgramFailed", "SystemExit")  # types of errors whose short numbers tell why


@dataclass
class Group:
    """Jobs with the same state, type and first line of their message, but for numbers in it that
    look like a job's own. ``first`` is the one that came first; ``varies``: others differ."""

    first: JobError
    indices: list[int] = field(default_factory=list)
    varies: bool = False

    @property
    def jobs(self) -> Ranges:
        return Ranges.of(self.indices)

    @property
    def told(self) -> str:
        """``ValueError: no such file``."""
        return f"{self.first.type}: {self.first.message}" if self.first.type else self.first.message


def grouped(failures: Iterable[JobError]) -> list[Group]:
    """The largest group first. Of each, one traceback is kept."""
    groups: dict[tuple[str, str, str], Group] = {}
    for failure in failures:
        line = _line(failure)
        if failure.type in _WITH_STATUS:
            alike = _ID.sub("#", line)
        else:
            alike = _NUMBER.sub(lambda found: found["kept"] or "#", line)
        key = failure.state, failure.type, alike
        group = groups.setdefault(key, Group(failure))
        group.indices.append(failure.index)
        group.varies |= line != _line(group.first)
    return sorted(groups.values(), key=lambda group: len(group.indices), reverse=True)


def _line(failure: JobError) -> str:
    return failure.message.partition("\n")[0]
