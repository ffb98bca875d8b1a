"""A bar for those who wait at a terminal; nothing when output is piped."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..words.model import RESOLVED
from ..words.status import COLOURS, TaskStatus

if TYPE_CHECKING:
    from .task import Task


class Progress:
    """Shows a task's status while entered; ``enabled`` None means: on a terminal."""

    def __init__(self, task: Task, enabled: bool | None):
        self._task = task
        self._enabled = sys.stderr.isatty() if enabled is None else enabled
        self._bar: Any = None
        self._line: Any = None

    def __enter__(self) -> Progress:
        if self._enabled:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}", markup=False),
                BarColumn(complete_style=COLOURS["done"], finished_style=COLOURS["done"]),
                MofNCompleteColumn(),
                TextColumn("{task.fields[told]}", markup=False),
                TimeElapsedColumn(),
                console=Console(stderr=True),
            )
            name = self._task.id.partition("__")[2] or self._task.id
            self._line = self._bar.add_task(name, total=len(self._task), told="")
            self._bar.start()
        return self

    def show(self, status: TaskStatus) -> None:
        if self._bar is not None:
            resolved = sum(status.counts[state] for state in RESOLVED)
            told = [
                f"{count} {state}"
                for state, count in status.counts.items()
                if count and state != "done"
            ]
            told += [status.pace] if status.pace else []
            self._bar.update(self._line, completed=resolved, told=", ".join(told))

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
