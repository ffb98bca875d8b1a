"""What is alive, as far as the spool knows of it and the scheduler confirms it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .array import Array, Fields, in_spans
from .session import Session
from .spool import Spool

ASKED_SECONDS = 3600.0  # how long one is asked about of which nothing was found alive
KEPT_SECONDS = 14 * 86400.0  # how long its endings are told after that


class Candidate(NamedTuple):
    """An array with elements that have not told how they ended."""

    array: Array
    names: frozenset[str]
    asked: Fields
    ids: dict[int, str]

    def states(self, session: Session) -> dict[str, list[int]]:
        """Indices of what is alive, by the word of DRMAA."""
        found: dict[str, list[int]] = {}
        for index in self.array.open_elements(self.names, self.asked["elements"]):
            word = session.state(self.ids[index]) if index in self.ids else None
            if word is not None:
                found.setdefault(word, []).append(index)
        return found


def alive(spool: Spool, open_session: Callable[[], Session]) -> list[dict[str, Any]]:
    """Raises CommandFailed when the scheduler does not answer; without anything to ask about
    there is no session."""
    candidates = list(_candidates(spool))
    if not candidates:
        return []
    found = []
    with open_session() as session:
        for one in candidates:
            if one.asked["drms"].split()[:1] != session.drms.split()[:1]:
                continue  # ids of another scheduler, which has the same home
            states = one.states(session)
            one.array.mark_over(one.names, is_over=not states)
            if states:
                spans = {word: in_spans(indices) for word, indices in states.items()}
                found.append({"name": one.array.name, "states": spans})
    return found


def _candidates(spool: Spool) -> Iterator[Candidate]:
    for array in spool.arrays():
        names = array.names()
        over = array.over_for(names)
        if over is not None and over > KEPT_SECONDS:
            array.remove()
        if over is not None and over > ASKED_SECONDS:
            continue
        asked = array.asked()
        if asked is None:
            array.mark_over(names, is_over=True)
        elif array.open_elements(names, asked["elements"]):
            yield Candidate(array, names, asked, array.ids(names))
        else:
            if not names >= {"endings.json", "over"}:
                array.fold()
            array.mark_over(names, is_over=True)
