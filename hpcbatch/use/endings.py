"""How elements ended that left jobs without a result: what their scheduler remembers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from ..cluster.cluster import Cluster
from ..registry.view import View
from ..words.layout import segment_owner
from ..words.model import Attempt, Ending

HISTORY_LATE = 30.0  # seconds that a scheduler's history may lag behind
LOST = "lost"
REQUEUED_FOR = ("preempted", "node-failure")  # Slurm tells that also of what it runs again

Endings = dict[int, dict[int, Ending]]  # attempt -> element -> how it ended


def find_endings(view: View, missing: Mapping[int, list[int]]) -> Endings:
    """Endings of the ``missing`` elements, and better ones for those of which little is known:
    that they left by a signal, or are lost. A scheduler knows more, maybe some seconds late."""
    found: Endings = {}
    now = time.time()
    for attempt in view.attempts:
        known = view.snapshot.endings.get(attempt.number, {})
        vague = {element: ending for element, ending in known.items() if ending.vague}
        gone = dict.fromkeys(missing.get(attempt.number, ()), Ending(LOST, vague=True))
        gone.update(_told_on_leaving(view, attempt, gone))
        open_ones = {**vague, **{e: replace(gone[e], time=now) for e in gone}}
        told = _history(attempt) if open_ones and attempt.canceled is None else {}
        for element, ending in open_ones.items():
            said = told.get(element)
            may_be_requeued = said is not None and said.reason in REQUEUED_FOR
            is_out = element in gone or _is_out(view, attempt, element, ending)
            if may_be_requeued and not is_out:
                continue
            better = _better(ending, said, now)
            if attempt.canceled is not None:
                better = replace(better, vague=False)
            if better != known.get(element):
                found.setdefault(attempt.number, {})[element] = better
    return found


def _is_out(view: View, attempt: Attempt, element: int, ending: Ending) -> bool:
    """Whether it does not run again: nobody lists it any more, or a listing that was made since
    it left by a signal does not have it."""
    if not ending.may_run_again:
        return True
    is_later = view.listed.get(attempt.number, 0.0) > (ending.time or 0.0)
    return is_later and element not in view.alive.get(attempt.number, {})


def _better(ending: Ending, told: Ending | None, now: float) -> Ending:
    if told is None:
        return replace(ending, vague=now - (ending.time or 0.0) <= HISTORY_LATE)
    if ending.reason != LOST and told.reason.startswith(("exit-code", "ended")):
        # the process ended as it wanted to: what it said of why stands
        told = replace(told, reason=ending.reason, signal=ending.signal)
    return replace(told, host=told.host or ending.host, time=ending.time, vague=False)


def _told_on_leaving(
    view: View, attempt: Attempt, elements: Mapping[int, Ending]
) -> dict[int, Ending]:
    """Of processes that were killed while they left."""
    told = {}
    for name, segment in view.snapshot.segments.items():
        number, element = segment_owner(name)
        if number == attempt.number and element in elements and segment.left:
            told[element] = segment.ending(time.time())
    return told


def _history(attempt: Attempt) -> dict[int, Ending]:
    arrays = {str(array.id): array for array in attempt.known_arrays}
    found = {}
    for ended in Cluster.of(attempt).history(list(arrays), attempt.created):
        array = arrays.get(ended.array)
        if array is not None:
            offset = 0 if ended.index is None else ended.index - array.base
            found[array.first + offset] = ended.ending
    return found
