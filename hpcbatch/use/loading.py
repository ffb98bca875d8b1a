"""Unpickles results, with the user's own modules at hand."""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any

from ..words.errors import JobError
from ..words.layout import TaskLayout


class Loader:
    """Loads values; where an import fails, the task's own modules join ``sys.path``."""

    def __init__(self, layout: TaskLayout):
        self._layout = layout

    def load(self, job: int, value: bytes) -> Any:
        """Raises JobError when the value cannot be made here, whatever its class raises."""
        try:
            return pickle.loads(value)
        except (Exception, SystemExit) as error:
            if isinstance(error, ImportError) and self._found_modules():
                return self.load(job, value)
            told = f"its result is stored, and cannot be loaded here: {error}"
            raise JobError(job, "done", type(error).__name__, told) from error

    def _found_modules(self) -> bool:
        """Whether modules of the task joined ``sys.path`` that were not there."""
        fresh = [path for path in self._archives() if path not in sys.path]
        sys.path += fresh
        return bool(fresh)

    def _archives(self) -> list[str]:
        """The task's own modules, and those of mended functions."""
        numbers = [0, *sorted(int(n) for n in os.listdir(self._layout.attempts) if n.isdigit())]
        paths = [f"{self._layout.folder}/{self._layout.code_of(number)}" for number in numbers]
        return [path for path in paths if os.path.exists(path)]
