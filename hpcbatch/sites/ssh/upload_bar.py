"""A bar for an upload that takes a while; nothing when output is piped."""

from __future__ import annotations

import sys
from typing import Any

LARGE = 1 << 20  # bytes from which on it is shown


class UploadBar:
    """How much of ``size`` bytes is there, shown while entered."""

    def __init__(self, what: str, size: int):
        self._what, self._size = what, size
        self._here = self._before = 0
        self._bar: Any = None
        self._line: Any = None

    def __enter__(self) -> UploadBar:
        if self._size >= LARGE and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._line = self._bar.add_task(f"sending {self._what}", total=self._size)
            self._bar.start()
        return self

    def show(self, here: int) -> None:
        self._here = here
        if self._bar is not None:
            self._bar.update(self._line, completed=here)

    def grew(self) -> bool:
        """Whether more is there than at the last call."""
        grew, self._before = self._here > self._before, self._here
        return grew

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
