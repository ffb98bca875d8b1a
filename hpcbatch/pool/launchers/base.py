"""The contract of a launcher: it starts workers, and ends them. Nothing else is asked of it.

Third parties add theirs by the entry point ``hpcbatch.launchers``, or hand one to a Controller.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...words.errors import LaunchError


@dataclass(frozen=True)
class Call:
    """What starts one worker. ``argv`` is the same for all of a launch and holds no secret;
    ``folder`` is the pool's, and must be seen where workers run; ``name`` is unique, and safe for
    every scheduler; ``walltime`` is a worker's, in seconds."""

    argv: tuple[str, ...]
    folder: str
    pool: str
    number: int
    name: str
    logs: str
    walltime: int | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """``argv``, quoted for a shell."""
        return shlex.join(self.argv)

    @property
    def runner(self) -> tuple[str, str]:
        """The worker's program and its first argument, for an interpreter of one's own."""
        return self.argv[1], self.argv[2]


class Standing(NamedTuple):
    """Of one launch, as far as its launcher can tell: workers that wait in a queue, and those that
    are alive, waiting or not."""

    waiting: int
    alive: int


class Launcher:
    """Derive from it, and override ``launch_workers`` or ``launch_worker``."""

    pause = 5.0  # seconds between two questions for the standing of a launch
    is_prompt = False  # whether a worker that is launched is in the standing at once

    def launch_workers(self, call: Call, n: int) -> int | None:
        """Start ``n`` workers; returns how many that were, None for all. Raises what went wrong."""
        for _ in range(n):
            self.launch_worker(call)
        return None

    def launch_worker(self, call: Call) -> None:
        raise LaunchError(f"{type(self).__name__} has neither launch_workers nor launch_worker")

    def standing(self, number: int) -> Standing | None:
        """Of the launch with this number; None when nobody ever can tell. Raises HpcbatchError
        when it cannot be told now."""
        return None

    def terminate_workers(self) -> None:
        """End what is left of all launches. Repeating it does no harm. What it raises is told to
        the log, and ``hpcbatch pool terminate`` tries again."""


class Foreign(Launcher):
    """Somebody's object that has some of the methods."""

    def __init__(self, own: Any):
        self._own = own
        for name in ("launch_workers", "launch_worker", "standing", "terminate_workers"):
            if callable(method := getattr(own, name, None)):
                setattr(self, name, method)
        if not {"launch_workers", "launch_worker"} & set(vars(self)):
            raise LaunchError(
                f"{own!r} is no launcher: it has neither launch_workers nor launch_worker"
            )
