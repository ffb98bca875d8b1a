"""Counts of workers that were launched: which of them came, which are to come, which are lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .launchers.base import Standing

REFUSALS = 3  # launches in a row that were refused for good, after which nobody is waited for


@dataclass
class Expected:
    """One launch; times are those of a monotonic clock. It has no ``deadline`` while the launcher
    is still at it: nobody can be missed then."""

    number: int
    workers: int
    deadline: float | None = None
    came: set[str] = field(default_factory=set)
    lost: int = 0

    def is_late(self, now: float) -> bool:
        return self.deadline is not None and now >= self.deadline

    @property
    def launching(self) -> int:
        return max(self.workers - len(self.came) - self.lost, 0)


class Arrivals:
    """``seconds_launch``: how long a worker may take to come, once it does not wait in a queue.
    A worker that was counted as lost and comes is as welcome as any other."""

    def __init__(self, seconds_launch: float):
        self._seconds = seconds_launch
        self._open: dict[int, Expected] = {}
        self._seen: set[str] = set()
        self.launched = self.lost = 0
        self._refusals = 0

    @property
    def launching(self) -> int:
        return sum(launch.launching for launch in self._open.values())

    @property
    def arrived(self) -> int:
        return len(self._seen)

    def expect(self, number: int, workers: int) -> None:
        """Of a launch that is about to be made."""
        self.launched += workers
        self._open[number] = Expected(number, workers)

    def begin(self, number: int, now: float) -> None:
        """The launch is made."""
        self._refusals = 0
        if (launch := self._open.get(number)) is not None:
            launch.deadline = now + self._seconds

    @property
    def are_refused(self) -> bool:
        """Whether no worker has ever come, none is to come, and asking again would not help."""
        return self._refusals >= REFUSALS and not self._seen and not self.launching

    def withdraw(self, number: int, workers: int, is_final: bool = False) -> None:
        """So many of a launch were not taken; ``is_final`` where they never will be."""
        self._refusals = self._refusals + 1 if is_final else 0
        self.launched -= workers
        if (launch := self._open.get(number)) is not None:
            launch.workers -= workers
            self._close(launch)

    def come(self, workers: Iterable[dict[str, Any]]) -> bool:
        """What workers said of themselves; whether one is new."""
        is_new = False
        for about in workers:
            name = about["worker"]
            if name in self._seen:
                continue
            self._seen.add(name)
            is_new = True
            launch = self._open.get(about.get("launch", 0)) or self._oldest()
            if launch is not None:
                launch.came.add(name)
                self._close(launch)
        return is_new

    def open(self) -> list[Expected]:
        """Launches that were made and of which workers are to come."""
        return [launch for launch in self._open.values() if launch.deadline is not None]

    def put_off(self, launch: Expected, now: float) -> None:
        """Nobody can tell now what became of a launch."""
        launch.deadline = now + self._seconds

    def judge(
        self, launch: Expected, standing: Standing | None, is_prompt: bool, now: float
    ) -> bool:
        """Count workers of a launch that will not come; whether none of it ever came."""
        is_late = launch.is_late(now)
        if standing is None:
            gone = launch.launching if is_late else 0
        else:
            # all that is alive may have come, or be on its way
            ended = launch.launching - standing.alive if is_late or is_prompt else 0
            gone = launch.launching - standing.waiting if is_late else ended
            if standing.waiting:
                self.put_off(launch, now)
        gone = min(max(gone, 0), launch.launching)
        launch.lost += gone
        self.lost += gone
        self._close(launch)
        return gone > 0 and not launch.came and not launch.launching

    def _close(self, launch: Expected) -> None:
        if not launch.launching:
            self._open.pop(launch.number, None)

    def _oldest(self) -> Expected | None:
        return next(iter(self._open.values()), None)
