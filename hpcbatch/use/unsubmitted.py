"""Jobs that were asked for and that no scheduler has: what a person should know of them."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..registry.view import View
from ..words.model import Attempt
from ..words.text import counted, roughly


def unsubmitted_notes(view: View) -> Iterator[str]:
    for attempt in view.attempts:
        if jobs := view.jobs_held_back(attempt):
            yield f"{counted(len(jobs), 'job')} held back {_until(attempt)}"
    if why := refusal(view):
        never = len(view.jobs_in(("defined",)))
        yield f"{counted(never, 'job')} not submitted: {why}. Mend that, and resubmit"


def refusal(view: View) -> str:
    """Why the jobs in state ``defined`` are not submitted; empty where nobody refused them, or
    there are none."""
    if not view.jobs_in(("defined",)):
        return ""
    given_up = (attempt.given_up for attempt in reversed(view.attempts) if attempt.given_up)
    return next(given_up, "").strip().rstrip(".")


def _until(attempt: Attempt) -> str:
    setback = attempt.setback
    if setback is None:
        after = (*attempt.options.after, *attempt.options.after_ok)
        others = f" and none of {', '.join(after)} is held back" if after else ""
        return (
            f"until there is room in the queue (max_queued of {attempt.cluster}){others}: wait, "
            "watch or tend submits them"
        )
    when = f"failed {roughly(max(time.time() - setback.time, 1.0))} ago"
    again = "mend that, or cancel" if setback.needs_help else "it is tried again"
    return f"(the submission of more {when}: {setback.why}): {again}"
