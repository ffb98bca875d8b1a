"""Jobs that were asked for and that no scheduler has: what a person should know of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from ..registry.view import View
from ..words.errors import HpcbatchError
from ..words.model import Attempt
from ..words.text import counted, roughly
from .submission_pauses import hindrance


def unsubmitted_notes(view: View) -> Iterator[str]:
    for attempt in view.attempts:
        if jobs := view.jobs_held_back(attempt):
            yield f"{counted(len(jobs), 'job')} held back {_until(view, attempt)}"
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


def _until(view: View, attempt: Attempt) -> str:
    if (setback := attempt.setback) is not None:
        ago = roughly(max(time.time() - setback.time, 1.0))
        return f"(the submission of more failed {ago} ago, and is tried again: {setback.why})"
    reason = hindrance(view, attempt) or _queue(view, attempt)
    return f"{reason}: wait, watch or tend submits them"


def _queue(view: View, attempt: Attempt) -> str:
    after = (*attempt.options.after, *attempt.options.after_ok)
    if after and not attempt.arrays:
        return f"until none of {', '.join(after)} is held back, and there is room in the queue"
    return f"until there is room in the queue ({_fullness(view, attempt)})"


def _fullness(view: View, attempt: Attempt) -> str:
    """By the last listing, if there is one."""
    from ..cluster.shared_listings import last_listing  # most tasks hold nothing back
    from .profiles import kept_cluster

    told = f"max_queued of {attempt.cluster}"
    try:
        cluster = kept_cluster(view.layout, attempt.number)
    except HpcbatchError:
        return told
    listing = last_listing(os.path.dirname(view.layout.folder), cluster)
    if listing is None:
        return f"{told} is {cluster.config.max_queued}"
    own = {str(array.id) for each in view.attempts for array in each.known_arrays}
    others = sum(sighting.array not in own for sighting in listing.alive)
    whose = f", {others} of them not of this task" if others else ""
    here = f"{len(listing.alive)} of yours were there at the last look{whose}"
    return f"{told} is {cluster.config.max_queued}: {here}"
