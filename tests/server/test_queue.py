"""The queue on disk: what was accepted is there after any end, and is done once."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from hpcbatch.server.queue import KEPT, QueuedSubmission, SubmissionQueue


def entry(number: int, task: str = "", request: str = "") -> QueuedSubmission:
    task = task or f"{number:08x}__t"
    return QueuedSubmission(
        task, "a" * 52, "submit", request or f"r{number}", 1000.0 + number, {"options": {}}
    )


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "queue")


def test_it_is_there_after_a_kill_in_the_order_of_coming(folder: str) -> None:
    queue = SubmissionQueue(folder)
    for number in (3, 1, 2):
        assert queue.add(entry(number))
    assert SubmissionQueue(folder).waiting() == [entry(1), entry(2), entry(3)]
    assert SubmissionQueue(folder).ahead_of(entry(3).task) == 2
    assert SubmissionQueue(folder).ahead_of("0123abcd__other") is None


@pytest.mark.parametrize(
    "content",
    ["", "null", "{}", '{"task": "00000002__t", "added": "x"}', "[" * 100_000],
    ids=["empty", "null", "table", "types", "deep"],
)
def test_one_that_is_damaged_is_told_and_holds_up_no_other(folder: str, content: str) -> None:
    queue = SubmissionQueue(folder)
    queue.add(entry(1))
    queue.add(entry(2))
    Path(folder, "waiting", entry(2).name).write_text(content)
    queue = SubmissionQueue(folder)
    assert queue.waiting() == SubmissionQueue(folder).waiting() == [entry(1)]
    assert "damaged" in queue.refusal(entry(2).task)
    assert queue.add(entry(2))


def test_the_same_request_is_accepted_once(folder: str) -> None:
    queue = SubmissionQueue(folder)
    assert queue.add(entry(1))
    assert not queue.add(replace(entry(1), added=2000.0))
    queue.finish(entry(1))
    assert not queue.add(entry(1))
    assert not SubmissionQueue(folder).add(entry(1))
    assert SubmissionQueue(folder).waiting() == []


def test_requests_of_long_ago_are_forgotten(folder: str) -> None:
    queue = SubmissionQueue(folder)
    queue.add(entry(1))
    queue.finish(entry(1))
    done = f"{folder}/done/r1"
    os.utime(done, (os.stat(done).st_atime, os.stat(done).st_mtime - KEPT - 1))
    queue = SubmissionQueue(folder)
    queue.add(entry(2))
    queue.finish(entry(2))
    assert os.listdir(f"{folder}/done") == ["r2"]


def test_a_request_that_was_withdrawn_is_not_accepted_again(folder: str) -> None:
    queue = SubmissionQueue(folder)
    queue.add(entry(1))
    assert queue.withdraw(entry(1).task) == 1
    assert queue.waiting() == []
    assert not queue.add(entry(1))
    assert not SubmissionQueue(folder).add(entry(1))


def test_a_refusal_is_told_until_the_next_submission(folder: str) -> None:
    queue = SubmissionQueue(folder)
    queue.add(entry(1))
    queue.refuse(entry(1), "no such queue")
    assert SubmissionQueue(folder).refusal(entry(1).task) == "no such queue"
    assert queue.waiting() == []
    queue.add(entry(2, task=entry(1).task))
    assert queue.refusal(entry(1).task) == ""


def test_what_is_withdrawn_waits_no_more(folder: str) -> None:
    queue = SubmissionQueue(folder)
    queue.add(entry(1))
    queue.add(entry(2))
    assert queue.withdraw(entry(1).task) == 1
    assert queue.withdraw(entry(1).task) == 0
    assert SubmissionQueue(folder).waiting() == [entry(2)]


def test_a_turn_is_one_for_all_who_have_it_and_gone_with_them(folder: str) -> None:
    queue = SubmissionQueue(folder)
    with queue.turn(entry(1).task):
        assert queue.turn(entry(1).task).locked()
        assert not queue.turn(entry(2).task).locked()
    assert not queue.turn(entry(1).task).locked()
    assert not queue._turns
