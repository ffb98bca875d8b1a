"""The endings of a submission's elements: a file of JSON lines that its supervisor appends to."""

from __future__ import annotations

import json
import os

from ..disk import files
from . import machine

TYPE_CHECKING = False  # see hpcbatch/__init__.py
if TYPE_CHECKING:
    from typing import Any

EndingRecord = dict[str, "Any"]


def ending(index: int, word: str, **known: Any) -> EndingRecord:
    """One ended element; what is not known is None.

    The words: ``ok``, ``exit-code``, ``killed``, ``timeout``, ``out-of-memory``, ``canceled``,
    ``lost``, and ``dependency`` for one that never ran since what it waited for failed.
    """
    blank = dict.fromkeys(("code", "signal", "started", "ended", "elapsed", "cpu", "memory"))
    return {"index": index, "ending": word, "host": machine.host(), **blank, **known}


class Journal:
    """Appends endings; what cannot be written now is kept for the next ``flush``."""

    def __init__(self, path: str):
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._end = 0
        self.pending: dict[int, bytes] = {}

    def add(self, ending: EndingRecord) -> None:
        self.pending[ending["index"]] = json.dumps(ending).encode() + b"\n"

    def flush(self) -> None:
        """Write what is pending. Raises OSError; the file then ends as before.

        No fsync: after a reboot the whole spool means nothing.
        """
        if not self.pending:
            return
        content = b"".join(self.pending.values())
        try:
            files.write_all(self._fd, content)
        except OSError:
            os.ftruncate(self._fd, self._end)
            raise
        self._end += len(content)
        self.pending.clear()


def read(path: str) -> dict[int, EndingRecord]:
    """The endings by index; a torn last line is none."""
    try:
        content = files.read(path)
    except FileNotFoundError:
        return {}
    whole = content[: content.rfind(b"\n") + 1]
    endings = [json.loads(line) for line in whole.splitlines()]
    return {ending["index"]: ending for ending in endings}
