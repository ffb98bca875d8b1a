"""When whoever tracks a task may submit for it again."""

from __future__ import annotations

import time
from itertools import takewhile

from ..registry.view import View
from ..words.model import Attempt
from ..words.text import roughly

PAUSE = 30.0  # seconds between two submissions by themselves, after one that failed
LONGEST_PAUSE = 3600.0  # before one that follows many that no scheduler took


def hindrance(view: View, attempt: Attempt) -> str:
    """What keeps the jobs that the attempt holds back from being submitted, besides the queue and
    other tasks; empty when nothing does."""
    last = view.attempts[-1]
    if last.may_still_be_taken:
        return "until it is known whether the last submission was taken"
    if (left := _seconds_left(view)) > 0:
        why = last.given_up
        return f"for {roughly(left)}, since the last submission was not taken ({why})"
    if (throttle := attempt.throttle) and is_throttled(view):
        return f"until what was submitted has ended (throttle {throttle})"
    return ""


def is_too_early(view: View, pause: float) -> bool:
    """Whether the last submission is less than ``pause`` seconds ago, parts of others not
    counted; longer, and ever longer, is waited after those that were not taken."""
    return _seconds_left(view, pause) > 0


def _seconds_left(view: View, pause: float = 0.0) -> float:
    failed = list(takewhile(_has_failed, reversed(view.attempts)))
    for _ in failed:
        pause = min(max(2 * pause, PAUSE), LONGEST_PAUSE)
    whole = [attempt for attempt in view.attempts if not attempt.part_of]
    since = time.time() - (failed or whole[::-1])[0].created
    return max(pause - since, 0.0) if since >= 0 else 0.0


def _has_failed(attempt: Attempt) -> bool:
    return not attempt.is_taken and not attempt.is_in_doubt


def is_throttled(view: View) -> bool:
    """Whether elements under a throttle should be alive. Two arrays throttled to 2 each would run
    4: what is submitted later waits for the end of the first."""
    return any(attempt.throttle and view.waits_for(attempt) for attempt in view.attempts)
