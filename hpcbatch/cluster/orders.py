"""What a script has to say: all that a template may name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ..words.resources import Resources

PASSED_ON = (
    "PATH",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "LANG",
    "LC_ALL",
)


@dataclass(frozen=True)
class ArrayOrder:
    """One array as its script describes it: elements ``first`` to ``first + count - 1`` of the
    attempt, which the scheduler counts from ``base`` to ``last``."""

    name: str
    first: int
    count: int
    base: int

    @property
    def last(self) -> int:
        return self.base + self.count - 1


@dataclass(frozen=True)
class ScriptOrder:
    """All that a template may name. Paths are absolute; ``walltime`` is an element's, seconds."""

    title: str
    array: ArrayOrder
    resources: Resources
    walltime: int | None
    throttle: int | None
    after: tuple[str, ...]  # ids of arrays that must have ended, however they did
    env: Mapping[str, str]
    setup: tuple[str, ...]
    folder: str
    log_prefix: str
    python: str
    runner: str
    task: str
    attempt: int
    memory_unit: str | None = None  # KB, MB, …: of a number without one, where sites differ
    container: tuple[str, ...] = ()  # words before the interpreter
    after_ok: tuple[str, ...] = ()  # ids of arrays all of whose elements must end with status 0


def passed_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The submitter's variables that elements get, and the profile's."""
    own = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**own, **extra}
