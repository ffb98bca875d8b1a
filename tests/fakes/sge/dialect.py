"""What the fake programs of Grid Engine share. The state lies in the folder SGE_ROOT."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))

from engine import Engine, Order, Refused, Stored, main, read, runs

__all__ = ["Order", "Refused", "Stored", "engine", "limit", "main", "runs"]

FOLDER = os.environ["SGE_ROOT"]
MAX_TASKS = 75000


def engine() -> Engine:
    if os.path.exists(f"{FOLDER}/down"):
        raise Refused(
            "error: commlib error: got select error (Connection refused)\n"
            'error: unable to send message to qmaster using port 6444 on host "localhost": '
            "got send error"
        )
    return Engine(FOLDER)


def limit() -> int:
    """``max_aj_tasks``: the content of a file of that name in the state folder."""
    return int(read(f"{FOLDER}/max_aj_tasks") or MAX_TASKS)
