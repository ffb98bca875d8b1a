"""The status of a task again and again, until it goes on no more."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..words.errors import RegistryError, TaskStuck, UsageError, WaitTimeout
from ..words.look import Look
from ..words.model import ALIVE
from ..words.status import TaskStatus
from .base import Site

PAUSES = (0.05, 1.0)  # seconds between two looks: the first, and the longest


def watch(site: Site, task_id: str, timeout: float | None = None) -> Iterator[TaskStatus]:
    """Ever less often, up to and with the status in which nothing is alive any more.

    Raises WaitTimeout after ``timeout`` seconds, and TaskStuck when all that is alive waits for
    what will never come by itself, RegistryError when nobody here can see it end.
    """
    is_number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if timeout is not None and not is_number:
        raise UsageError(f"timeout {timeout!r} is no number of seconds")
    began = time.monotonic()
    pause, longest = PAUSES
    begins = True
    while True:
        status = site.track(task_id, begins)
        begins = False
        yield status
        if status.idle:
            return
        if status.unfolded:  # nobody can see it end
            raise RegistryError(f"{task_id} cannot be followed: {status.unfolded}")
        if _is_stuck(status) and _is_stuck(site.status(task_id, Look.AFRESH)):
            raise TaskStuck(
                f"{task_id} does not go on by itself: {'; '.join(status.notes)}. Mend what it "
                "waits for, or cancel and resubmit it."
            )
        left = float("inf") if timeout is None else timeout - (time.monotonic() - began)
        if left <= 0:
            raise WaitTimeout(
                f"{task_id} did not resolve within {timeout} s ({status.tally}): "
                f"{status.goes_on}; wait again, or cancel it."
            )
        time.sleep(min(pause, left))
        pause = min(pause * 1.3, longest)


def _is_stuck(status: TaskStatus) -> bool:
    alive = sum(status.counts[state] for state in ALIVE)
    # what is held back behind elements that are stuck does not go on either
    return status.stuck > 0 and status.stuck in (alive, alive - status.held_back)
