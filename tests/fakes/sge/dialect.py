"""What the fake programs of Grid Engine share. The state lies in the folder SGE_ROOT."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from engine import Engine, Order, Refused, main, runs

__all__ = ["Order", "Refused", "engine", "limit", "main", "runs"]

FOLDER = Path(os.environ["SGE_ROOT"])
MAX_TASKS = 75000


def engine() -> Engine:
    if (FOLDER / "down").exists():
        raise Refused(
            "error: commlib error: got select error (Connection refused)\n"
            'error: unable to send message to qmaster using port 6444 on host "localhost": '
            "got send error"
        )
    return Engine(FOLDER)


def limit() -> int:
    """``max_aj_tasks``: the content of a file of that name in the state folder."""
    path = FOLDER / "max_aj_tasks"
    return int(path.read_text()) if path.exists() else MAX_TASKS
