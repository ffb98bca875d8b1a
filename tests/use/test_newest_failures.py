"""The newest few failures, for whoever watches."""

from __future__ import annotations

from hpcbatch.registry import observation
from hpcbatch.use.newest_failures import newest_failures
from hpcbatch.words.model import Ending
from tests.core import Case


def picky(x: int) -> int:
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x


def told(case: Case, limit: int) -> list[tuple[int, str, str]]:
    found = newest_failures(case.registry, case.task.id, limit)
    return [(failure.index, failure.state, failure.message) for failure in found]


def test_the_last_to_fail_come_first() -> None:
    case = Case.of(picky, range(8))
    case.submit(elements=2)
    case.run(element=1)
    case.run(element=0)
    assert told(case, 3) == [
        (3, "error", "3 is odd"),
        (1, "error", "1 is odd"),
        (7, "error", "7 is odd"),
    ]
    assert len(told(case, 100)) == 4


def test_expired_jobs_tell_their_reason() -> None:
    case = Case.of(picky, range(4))
    case.submit(elements=2)
    case.run(element=0)
    ending = Ending("out-of-memory", host="n2", time=2e9)
    observation.end_elements(case.layout, case.task.spec, {1: {1: ending}}, 2e9)
    found = told(case, 3)
    assert [(job, state) for job, state, _ in found] == [
        (2, "expired"),
        (3, "expired"),
        (1, "error"),
    ]
    assert "out-of-memory on n2" in found[0][2]


def test_where_nothing_failed_there_are_none() -> None:
    case = Case.of(picky, [2])
    assert told(case, 5) == []
