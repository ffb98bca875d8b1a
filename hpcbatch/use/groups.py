"""Failed jobs that failed alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..words.errors import JobError
from ..words.ranges import Ranges

_ID = re.compile(r"0x[0-9a-fA-F]+|\d{4,}")
# Numbers of a job's own, such as 7, x20 or sample8.csv. Kept are those that tell why, behind a word
# such as status or as a type's name, and single digits of a name: col1, h5py.
_NUMBER = re.compile(
    r"(?P<kept>\b(?:status|error|errno|code|signal)\W{1,2}\d{1,3}\b(?!\.?\d)"
    r"|\b(?:u?int|b?float|complex|utf-?|sha|cp)\d+\b)"
    rf"|{_ID.pattern}"
    r"|(?<![A-Za-z\d])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
    r"|(?<=[A-Za-z])(?:\d{2,}|\d(?=[\w-]*\.[A-Za-z]))",
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
