"""Which jobs somebody means."""

from __future__ import annotations

from ..words.errors import NotFound
from ..words.model import TaskSpec
from ..words.ranges import Ranges


def check_jobs(spec: TaskSpec, chosen: Ranges) -> None:
    """Raises NotFound for a number that no job of the task has."""
    if chosen and (chosen.runs[-1][1] > spec.njobs or chosen.runs[0][0] < 0):
        wrong = chosen.runs[0][0] if chosen.runs[0][0] < 0 else chosen.runs[-1][1] - 1
        raise NotFound(
            f"there is no job {wrong}: the jobs of {spec.id} are numbered 0 to {spec.njobs - 1}"
        )
