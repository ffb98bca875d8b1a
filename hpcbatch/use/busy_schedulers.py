"""Waits for a scheduler that cannot answer or take a submission now."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from ..words.errors import SubmissionDeferred

log = logging.getLogger("hpcbatch.submit")

LONGEST_PAUSE = 15.0  # seconds between two tries

T = TypeVar("T")


def patiently(ask: Callable[[], T], patience: float) -> T:
    """The answer of ``ask``. While it raises SubmissionDeferred it is called again, ever less
    often, for ``patience`` seconds; each time is told in the log as a warning, which a person
    sees: why, where that is news. Raises what ``ask`` raises."""
    give_up, pause, said = time.monotonic() + patience, 1.0, ""
    while True:
        try:
            return ask()
        except SubmissionDeferred as error:
            if time.monotonic() + pause > give_up:
                raise
            why = str(error)
            log.warning("%s; trying again in %.0f s", "still so" if why == said else why, pause)
            said = why
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
