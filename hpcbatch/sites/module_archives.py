"""Archives of modules that came from elsewhere: imports come from them, so they stay as long as the
process lives."""

from __future__ import annotations

import atexit
import os
import tempfile
from base64 import b64decode
from collections.abc import Callable, Iterable

from ..disk.files import publish, remove_tree


class ModuleArchives:
    """Those of each task, which are fetched once."""

    def __init__(self, fetch: Callable[[str], Iterable[str]]):
        self._fetch = fetch  # by the id of a task, in base 64
        self._paths: dict[str, list[str]] = {}

    def of(self, task_id: str) -> list[str]:
        if task_id not in self._paths:
            folder = tempfile.mkdtemp(prefix="hpcbatch-modules-")
            atexit.register(_remove, folder, os.getpid())
            paths = []
            for number, code in enumerate(self._fetch(task_id)):
                paths.append(f"{folder}/{number}.zip")
                publish(paths[-1], b64decode(code))
            self._paths[task_id] = paths
        return self._paths[task_id]


def _remove(folder: str, pid: int) -> None:
    """By the process that made it, and none that was forked from it."""
    if os.getpid() == pid:
        remove_tree(folder)
