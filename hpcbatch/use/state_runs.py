"""The states of all jobs of a task, as short as they can be told."""

from __future__ import annotations

import re

from ..registry.registry import Registry
from ..words.look import Look
from ..words.model import STATES
from .update import update

LETTERS = "abcdefgh"  # of the states, in the order of STATES
_TO_LETTERS = bytes.maketrans(bytes(range(len(STATES))), LETTERS.encode())
_RUN = re.compile(rb"(.)\1*")


def state_runs(registry: Registry, task_id: str) -> str:
    """Runs of neighbours in one state, see ``run_lengths``."""
    view, _ = update(registry, registry.spec(task_id), Look.ON_AND_ON)
    return run_lengths(view.states)


def run_lengths(states: bytes) -> str:
    """``e10fe3``: ten jobs are done, one is in error, three are done. A letter a state, and how
    many neighbours are in it where that is more than one."""
    runs = []
    for found in _RUN.finditer(states.translate(_TO_LETTERS)):
        start, stop = found.span()
        runs.append(f"{chr(found[1][0])}{stop - start if stop - start > 1 else ''}")
    return "".join(runs)
