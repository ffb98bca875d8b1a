"""Failed jobs that failed alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..words.errors import JobError
from ..words.ranges import Ranges

_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d{4,}")  # ids and addresses; statuses are shorter


@dataclass
class Group:
    """Jobs with the same state, type and first line of their message, but for long numbers in it.
    ``first`` is the one that came first."""

    first: JobError
    indices: list[int] = field(default_factory=list)

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
        line = failure.message.partition("\n")[0]
        key = failure.state, failure.type, _NUMBER.sub("#", line)
        if key not in groups:
            groups[key] = Group(failure)
        groups[key].indices.append(failure.index)
    return sorted(groups.values(), key=lambda group: len(group.indices), reverse=True)
