"""Failed jobs that failed alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..words.errors import JobError
from ..words.ranges import Ranges

_ID = re.compile(r"0x[0-9a-fA-F]+|\d{4,}")
_NUMBER = re.compile(rf"{_ID.pattern}|\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_WITH_STATUS = ("", "ProgramFailed")  # types of errors whose short numbers tell why


@dataclass
class Group:
    """Jobs with the same state, type and first line of their message, but for numbers in it that
    are a job's own. ``first`` is the one that came first; ``varies`` says that others differ."""

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
        own = _ID if failure.type in _WITH_STATUS else _NUMBER
        key = failure.state, failure.type, own.sub("#", line)
        group = groups.setdefault(key, Group(failure))
        group.indices.append(failure.index)
        group.varies |= line != _line(group.first)
    return sorted(groups.values(), key=lambda group: len(group.indices), reverse=True)


def _line(failure: JobError) -> str:
    return failure.message.partition("\n")[0]
