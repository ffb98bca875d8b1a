"""Processes of one task, found by what their environment tells; killed by pid and start time."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path

from hpcbatch.disk.process_tree import Process, marked, send

Find = Callable[[], list[Process]]


def elements_of(task_id: str) -> list[Process]:
    """Runners, from the moment when their script has become one."""
    found = marked({"HPCBATCH_TASK": task_id})
    return [one for one in found if any(word.endswith(".pyz") for word in _command(one))]


def supervisors_of(spool: str) -> list[Process]:
    """Supervisors, their shepherds, and submissions that are on their way."""
    found = marked({"HPCBATCH_LOCAL_SPOOL": spool})
    return [one for one in found if _command(one)[2:4] == ["hpcbatch.supervisor", "submit"]]


def kill_one(find: Find, chance: random.Random) -> bool:
    found = find()
    if found:
        send(chance.choice(found), signal.SIGKILL)
    return bool(found)


def _command(one: Process) -> list[str]:
    try:
        return Path(f"/proc/{one.pid}/cmdline").read_text().split("\0")
    except OSError:
        return []  # it has ended
