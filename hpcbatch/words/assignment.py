"""What an element's process must know beside its jobs: it lies in plan.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Assignment(NamedTuple):
    """Read on compute nodes: no more is imported here than the runner has anyway.

    Times are seconds. ``suspects`` are runs of jobs that began in a process which died: they come
    last, so that no other job dies with them again. ``function`` and ``code`` (archives of
    modules; ``unpacked``: those with data beside them) are files of the task's folder.
    ``after_ok`` are folders of tasks that must be done. ``pauses_with`` are the signals that this
    scheduler also sends before it suspends a job. ``launch`` are words before each program.
    """

    kind: str = "python"  # or "shell"
    names: list[str] = []
    seed: int = 0
    job_walltime: int | None = None
    element_walltime: int | None = None
    isolate: bool = False
    job_timeout: int | None = None
    suspects: list[list[int]] = []
    function: str = "function.pkl"
    code: list[str] = []
    unpacked: list[str] = []
    after_ok: list[str] = []
    pauses_with: list[str] = []
    launch: list[str] = []

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Assignment:
        return cls(**{name: fields[name] for name in cls._fields if name in fields})
