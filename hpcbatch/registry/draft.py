"""A task before it is stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..words.model import TaskSpec


class Draft(NamedTuple):
    """``spec`` may lack its id, and lacks the number of jobs; ``function`` are the pickled callable
    and constants, ``inputs`` one pickle a job, in blocks, ``code`` an archive of the user's own
    modules."""

    spec: TaskSpec
    function: tuple[bytes, bytes]
    inputs: Iterable[list[bytes]]
    code: bytes | None
