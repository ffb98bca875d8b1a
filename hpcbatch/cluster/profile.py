"""One cluster as it is configured: what can be set, and how each value is read."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..words.resources import MEMORY_UNITS, Resources, parse_memory, parse_walltime
from ..words.variables import read_variables
from .schedulers import get_scheduler


@dataclass(frozen=True)
class ClusterConfig:
    """One named cluster. ``grace``, ``poll_seconds`` and ``patience`` are seconds."""

    name: str
    scheduler: str
    template: str | None = None  # path, or name on the template path; None: the scheduler's own
    resources: Mapping[str, Any] = field(default_factory=dict)  # defaults, as a user writes them
    max_walltime: int | None = None  # of one element, seconds
    max_memory: int | None = None  # of one element, bytes
    max_cpus: int | None = None
    max_gpus: int | None = None
    max_nodes: int | None = None
    queues: Mapping[str, int] = field(default_factory=dict)  # the longest walltime of each, seconds
    setup: tuple[str, ...] = ()  # shell lines before the runner: module load, conda activate
    env: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None  # interpreter on the nodes; None: the one that submits
    container: tuple[str, ...] = ()  # words before the interpreter: apptainer exec image.sif
    launch: tuple[str, ...] = ()  # words before each --shell program: srun, mpiexec -n 8
    array_limit: int | None = None  # elements per array; None: asked of the cluster
    memory_unit: str | None = None  # KB, MB, …: in which it reads memory; None: asked of it
    elements: int = 1000  # that automatic chunks aim at, at most
    max_queued: int | None = None  # elements of this user that the scheduler may have at once
    grace: float | None = None
    poll_seconds: tuple[float, float] | None = None
    submissions_per_second: float = 10.0  # at most, of one user on one host
    log_dir: str | None = None  # where the elements' logs go; None: the task's own folder
    patience: float = 60.0  # with a scheduler that cannot take a submission now
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)  # setting -> file:line

    def to_json(self) -> dict[str, Any]:
        """All but where it was written."""
        return {name: value for name, value in asdict(self).items() if name != "origins"}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> ClusterConfig:
        """Raises TypeError for fields that there are not."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in fields.items()
        }
        return cls(**values)

    def longest_walltime(self, queue: str | None) -> tuple[int, str] | None:
        """Of one element in ``queue`` (None: in any of ``queues``): seconds, and the setting that
        says so. None where nothing does."""
        known = [(self.max_walltime, "max_walltime")] if self.max_walltime else []
        if queue is not None and queue in self.queues:
            known.append((self.queues[queue], f"queues.{queue}"))
        elif self.queues and queue is None:
            seconds, name = max((seconds, name) for name, seconds in self.queues.items())
            known.append((seconds, f"queues.{name}"))
        return min(known, default=None)


def _scheduler(value: Any) -> str:
    get_scheduler(_text(value))
    return _text(value)


def _text(value: Any) -> str:
    """YAML reads ``on`` as true, ``3.10`` as 3.1, and ``echo a: b`` as a table."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text: put it in quotes")
    return value


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(map(_text, value))
    return tuple(shlex.split(_text(value)))


def _lines(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return ("\n".join(value.splitlines()),) if value.strip() else ()
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is no list of shell lines")
    return tuple(map(_text, value))


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no table of names and values")
    return {str(key): entry for key, entry in value.items()}


def _resources(value: Any) -> dict[str, Any]:
    Resources.parse(_table(value))
    return _table(value)


def _queues(value: Any) -> dict[str, int]:
    table = _table(value)
    for name in table:
        Resources.parse({"queue": name})
    return {name: parse_walltime(limit) for name, limit in table.items()}


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{value!r} is no whole number from 1 up")
    return value


def _memory_unit(value: Any) -> str:
    unit = _text(value).upper().removesuffix("B") + "B"
    if unit not in MEMORY_UNITS:
        raise ValueError(f"{value!r} is none of {', '.join(MEMORY_UNITS)}")
    return unit


def _count_or_none(value: Any) -> int:
    return 0 if value == 0 and not isinstance(value, bool) else _count(value)


def _seconds(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise ValueError(f"{value!r} is no number of seconds")
    return float(value)


def _rate(value: Any) -> float:
    if not _seconds(value):
        raise ValueError(f"{value!r} is no number above 0")
    return float(value)


def _folder(value: Any) -> str:
    """``~`` and variables such as ``$SCRATCH`` are filled in."""
    path = os.path.expandvars(os.path.expanduser(_text(value)))
    if not os.path.isabs(path) or "$" in path:
        raise ValueError(f"{value!r} is no absolute path{f' (it is {path!r})' * (path != value)}")
    return path


def _shortest_longest(value: Any) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"{value!r} is not two numbers: the shortest and the longest interval")
    shortest, longest = map(_seconds, value)
    if shortest > longest:
        raise ValueError(f"{value!r}: the shortest interval comes first")
    return shortest, longest


READERS: dict[str, Callable[[Any], Any]] = {
    "scheduler": _scheduler,
    "template": _text,
    "resources": _resources,
    "max_walltime": parse_walltime,
    "max_memory": parse_memory,
    "max_cpus": _count,
    "max_gpus": _count_or_none,
    "max_nodes": _count,
    "queues": _queues,
    "setup": _lines,
    "env": read_variables,
    "python": _text,
    "container": _words,
    "launch": _words,
    "array_limit": _count,
    "memory_unit": _memory_unit,
    "elements": _count,
    "max_queued": _count,
    "grace": _seconds,
    "poll_seconds": _shortest_longest,
    "submissions_per_second": _rate,
    "log_dir": _folder,
    "patience": _seconds,
}
TABLES = ("resources", "env", "queues")  # of which one that extends another keeps what it has not
