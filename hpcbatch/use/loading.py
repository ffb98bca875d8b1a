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
        self._code = layout.code

    def load(self, job: int, value: bytes) -> Any:
        """Raises JobError when the value cannot be made here, whatever its class raises."""
        try:
            return self._load(value)
        except (Exception, SystemExit) as error:
            told = f"its result is stored, and cannot be loaded here: {error}"
            raise JobError(job, "done", type(error).__name__, told) from error

    def _load(self, value: bytes) -> Any:
        try:
            return pickle.loads(value)
        except ImportError:
            if self._code in sys.path or not os.path.exists(self._code):
                raise
            sys.path.append(self._code)
            return pickle.loads(value)
