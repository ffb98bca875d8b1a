"""Unpickles results, with the user's own modules at hand."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator
from typing import Any

from ..runner.code import import_paths
from ..sites.base import Site
from ..words.errors import JobError


class Loader:
    """Loads values; where an import fails, the task's own modules join ``sys.path``."""

    def __init__(self, site: Site, task_id: str):
        self._site, self._task_id = site, task_id

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
        archives = self._site.modules(self._task_id)
        fresh = [path for path in _paths_into(archives) if path not in sys.path]
        sys.path += fresh
        return bool(fresh)


def _paths_into(archives: list[str]) -> Iterator[str]:
    import zipfile

    for archive in archives:
        with zipfile.ZipFile(archive) as file:
            yield from (os.path.normpath(f"{archive}/{path}") for path in import_paths(file))
