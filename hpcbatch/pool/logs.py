"""What workers have logged, in the folder of their pool."""

from __future__ import annotations

import os
from typing import Protocol

from ..words.layout import PoolLayout

SAID = 2000  # bytes of a log that are told


class WorkerLogs(Protocol):
    """What workers have logged, here or elsewhere."""

    folder: str

    def said(self, launch: int) -> tuple[str, str] | None:
        """The name of a log of that launch and its end, of the first that says anything; None
        while no worker of it has begun one."""


class Logs:
    def __init__(self, layout: PoolLayout):
        self._layout = layout
        self.folder = layout.logs

    def said(self, launch: int) -> tuple[str, str] | None:
        prefix = os.path.basename(self._layout.log_prefix(launch))
        found = None
        for name in sorted(n for n in os.listdir(self.folder) if n.startswith(prefix)):
            with open(f"{self.folder}/{name}", "rb") as file:
                file.seek(max(os.fstat(file.fileno()).st_size - SAID, 0))
                said = file.read().decode("utf-8", "replace").strip()
            if said:
                return name, said
            found = found or (name, "")
        return found
