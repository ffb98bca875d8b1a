"""Which expired jobs are to be submitted again by themselves."""

from __future__ import annotations

from ..registry.view import View
from ..words.options import NOT_RETRIED, SubmitOptions
from ..words.ranges import Ranges
from .failure_causes import counts, failures

Due = dict[tuple[int, int], Ranges]  # (attempt, retries used then) -> jobs


def due_retries(view: View) -> Due:
    """The jobs to submit again. What was canceled is not."""
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    if any(attempt.options.retries for attempt in view.attempts):
        for failure in failures(view):
            attempt, options = failure.attempt, failure.attempt.options
            jobs = failure.jobs.without(attempt.canceled_jobs)
            if not options.retries or attempt.canceled is not None or not jobs:
                continue
            used = attempt.retry + counts(view, failure)
            if _is_retried(options, failure.reason) and used <= options.retries:
                found.setdefault((attempt.number, used), []).extend(jobs.runs)
    return {key: Ranges.merged(runs) for key, runs in sorted(found.items())}


def _is_retried(options: SubmitOptions, reason: str) -> bool:
    word = reason.partition(" ")[0]  # "exit-code 3"
    return word not in NOT_RETRIED if options.retry_on is None else word in options.retry_on
