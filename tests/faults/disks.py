"""Disks that fail for real: one that is full, one that cannot be written."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpcbatch.disk.records import read_records
from hpcbatch.words import events
from hpcbatch.words.events import Event
from hpcbatch.words.layout import TaskLayout

PAGE = 4096


class SmallDisk:
    """A tmpfs, and a file on it that takes up what shall not be free."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.registry = str(folder / "registry")
        self._ballast = folder / "ballast"

    def leave(self, pages: int) -> None:
        """Let there be room for so many pages and no more."""
        self.free()
        fd = os.open(self._ballast, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            found = os.fstatvfs(fd)
            os.posix_fallocate(fd, 0, max((found.f_bavail - pages) * found.f_bsize, 1))
        finally:
            os.close(fd)

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)


@contextmanager
def mounted(folder: Path, *argv: str) -> Iterator[Path]:
    """A mount on ``folder`` for as long as this is entered; ``argv`` is for mount(8)."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", *argv, str(folder)], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


def done_records(layout: TaskLayout) -> Counter[int]:
    """How often each job is stored as done: more than once is counted twice."""
    if not os.path.exists(layout.results):
        return Counter()
    told = (Event.unpack(payload) for _, payload in read_records(layout.results))
    return Counter(e.job for e in told if e.kind in (events.DONE, events.DONE_ASIDE))
