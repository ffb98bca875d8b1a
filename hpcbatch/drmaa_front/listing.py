"""What is alive, as far as the spool knows of it and the scheduler confirms it.

DRMAA answers for one job at a time (GFD.133, drmaa_job_ps): very many elements cannot all be asked
about in every listing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from ..words.errors import CommandFailed
from ..words.ranges import Ranges
from .array import DrmaaArray, Fields
from .session import Session
from .spool import Spool
from .systems import cell

ASKING_SECONDS = 10.0  # in one listing
ASKED_SECONDS = 3600.0  # how long one is asked about of which nothing was found alive
KEPT_SECONDS = 14 * 86400.0  # how long its endings are told after that
UNDETERMINED = "undetermined"  # as DRMAA says it


class Candidate:
    """An array with elements that have not told how they ended."""

    def __init__(self, array: DrmaaArray, names: frozenset[str], asked: Fields):
        self.array, self.asked, self._names = array, asked, names
        self.ids = array.ids(names)
        self.open = array.open_elements(names, asked["elements"])
        self.gone = array.gone(names)
        self.states: dict[str, list[int]] = {}  # of what is alive
        self._found_gone: list[int] = []

    def check(self, drms: str) -> None:
        """Raises CommandFailed when another scheduler has it: the same ids mean other jobs here."""
        here = cell(drms)
        if self.asked["cell"] != here:
            raise CommandFailed(
                f"{self.array.folder} was submitted to {self.asked['cell']!r}, and here is "
                f"{here!r}: let HPCBATCH_DRMAA_SPOOL name a folder for each cluster, or remove "
                "that one if its cluster is gone"
            )

    def answer(self, index: int, word: str | None) -> None:
        if word is None:
            self._found_gone.append(index)
        else:
            self.states.setdefault(word, []).append(index)

    def keep(self, was_late: bool) -> None:
        if was_late:
            self.array.mark_gone(self._found_gone)
        self.array.mark_over(self._names, is_over=not self.states)


def alive(spool: Spool, open_session: Callable[[], Session]) -> list[dict[str, Any]]:
    """Raises CommandFailed when the scheduler does not answer; without anything to ask about
    there is no session."""
    candidates = list(_candidates(spool))
    if not candidates:
        return []
    with open_session() as session:
        for one in candidates:
            one.check(session.drms)
        _ask(candidates, session)
    return [
        {
            "name": one.array.name,
            "states": {word: Ranges.of(indices).spans() for word, indices in one.states.items()},
        }
        for one in candidates
        if one.states
    ]


def _ask(candidates: list[Candidate], session: Session) -> None:
    """What there is no time for is as it was last time: gone, or alive in a way nobody knows."""
    questions = [(one, index) for one in candidates for index in one.open if index in one.ids]
    first = time.time_ns() % max(len(questions), 1)  # each has its turn
    give_up, is_late = time.monotonic() + ASKING_SECONDS, False
    for one, index in questions[first:] + questions[:first]:
        is_late = is_late or time.monotonic() > give_up
        if not is_late:
            one.answer(index, session.state(one.ids[index]))
        else:
            one.answer(index, None if index in one.gone else UNDETERMINED)
    for one in candidates:
        one.keep(is_late)


def _candidates(spool: Spool) -> Iterator[Candidate]:
    for array in spool.arrays():
        names = array.names()
        over = array.over_for(names) or 0.0
        if over > KEPT_SECONDS:
            array.remove()
            continue
        asked = array.asked() if over < ASKED_SECONDS else None
        if asked is not None and array.open_elements(names, asked["elements"]):
            yield Candidate(array, names, asked)
        else:
            array.fold(names)
            array.mark_over(names, is_over=True)
