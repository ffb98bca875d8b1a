"""The state of every job, one byte each: records first, then what is known to be alive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from ..disk.index import DONE, ERROR, EXPIRED
from ..words.layout import segment_owner
from ..words.model import STATES, Attempt, Ending, Sighting
from ..words.ranges import Ranges
from .snapshot import Snapshot

CODE = {state: code for code, state in enumerate(STATES)}
_SAID = {DONE: CODE["done"], ERROR: CODE["error"], EXPIRED: CODE["expired"]}
_SAYS = bytes(_SAID.get(said, 0) for said in range(256))
_ANY = bytes(0xFF if code else 0 for code in range(256))

Endings = Mapping[int, Ending]  # by element
Alive = Mapping[int, Mapping[int, Sighting]]  # attempt -> element -> how the scheduler lists it


class RunningProcess(NamedTuple):
    """One that is not known to have ended, and the job that it runs."""

    attempt: int
    element: int
    job: int | None


def processes(snapshot: Snapshot) -> list[RunningProcess]:
    return [
        RunningProcess(*segment_owner(name), segment.job)
        for name, segment in snapshot.segments.items()
        if segment.is_alive
    ]


def job_states(
    njobs: int,
    attempts: Sequence[Attempt],
    endings: Mapping[int, Endings],
    begun: Sequence[RunningProcess],
    said: bytes,
    alive: Alive,
) -> bytes:
    """Codes of ``STATES``, one byte a job. ``said`` is the index's column, see ``read_said``."""
    states = bytearray(njobs)
    for attempt in attempts:
        _fill(
            states,
            attempt,
            endings.get(attempt.number, {}),
            begun,
            alive.get(attempt.number, {}),
        )
    return _overlay(bytes(states), said.translate(_SAYS))


def element_states(
    attempt: Attempt,
    endings: Endings,
    begun: Sequence[RunningProcess],
    alive: Mapping[int, Sighting],
) -> dict[int, str]:
    """The state that the jobs of each element have while no record says better."""
    own = {process.element for process in begun if process.attempt == attempt.number}
    states = {}
    for element in attempt.elements:
        if attempt.canceled is not None:
            state = "canceled"
        elif element in alive or element in own:
            state = "queued"
        elif element in endings:
            state = "queued" if endings[element].may_run_again else "expired"
        else:
            state = "submitted"
        states[element] = state
    return states


def _fill(
    states: bytearray,
    attempt: Attempt,
    endings: Endings,
    begun: Sequence[RunningProcess],
    alive: Mapping[int, Sighting],
) -> None:
    if attempt.canceled is None:
        _set(states, attempt.jobs_to_come, "submitted")
    else:
        _set(states, attempt.plan.jobs.union(attempt.held_back.jobs), "canceled")
    by_element = element_states(attempt, endings, begun, alive)
    for first, stop, state in _runs(by_element):
        _set(states, attempt.plan.jobs_between(first, stop), state)
    _set(states, attempt.canceled_jobs, "canceled")
    for number, element, job in begun:
        waits = number == attempt.number and by_element.get(element) in ("queued", "submitted")
        if waits and job is not None:
            states[job] = CODE["running"]


def _set(states: bytearray, jobs: Ranges, state: str) -> None:
    for start, end in jobs.runs:
        states[start:end] = bytes([CODE[state]]) * (end - start)


def _runs(by_element: Mapping[int, str]) -> Iterator[tuple[int, int, str]]:
    """(first, stop, state) of neighbouring elements in one state."""
    for (state, _), run in groupby(
        enumerate(by_element.items()), key=lambda at: (at[1][1], at[1][0] - at[0])
    ):
        elements = [element for _, (element, _) in run]
        yield elements[0], elements[-1] + 1, state


def _overlay(below: bytes, above: bytes) -> bytes:
    """``above`` where it is not zero, ``below`` elsewhere; as whole numbers, for speed."""
    mask = int.from_bytes(above.translate(_ANY), "little")
    kept = int.from_bytes(below, "little") & ~mask
    return (kept | int.from_bytes(above, "little")).to_bytes(len(below), "little")
