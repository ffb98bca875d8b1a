"""A task before it is stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..words.model import TaskSpec


class Draft(NamedTuple):
    """``spec`` may lack its id, and lacks the number of jobs; ``function`` are the pickled callable
    and constants, ``inputs`` one pickle a job, in blocks, ``code`` an archive of the user's own
    modules, ``imports`` the first parts of names that they and the function import from elsewhere.
    """

    spec: TaskSpec
    function: tuple[bytes, bytes]
    inputs: Iterable[list[bytes]]
    code: bytes | None
    imports: frozenset[str] = frozenset()
