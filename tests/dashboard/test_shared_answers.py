"""Many who look cost little more than one."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.registry.registry import Registry
from hpcbatch.server import tracking as module
from hpcbatch.server.dashboard import shared_answers
from hpcbatch.server.dashboard.shared_answers import SharedAnswers
from hpcbatch.server.queue import SubmissionQueue
from hpcbatch.server.tracking import LOOKED_AT, Tracking
from hpcbatch.use import service


def test_an_answer_is_worked_out_once_for_all_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_answers, "SECONDS", 1000.0)
    kept, all_are_here, worked_out = SharedAnswers(), Barrier(8), []

    def ask(number: int) -> Any:
        all_are_here.wait(30)
        return kept.get("what", lambda: worked_out.append(number) or number)  # type: ignore[func-returns-value]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert set(answers) == set(worked_out)
    assert len(worked_out) == 1
    assert kept.get("else", lambda: "another") == "another"


def test_a_failure_is_not_kept_and_answers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_answers, "MOST", 3)
    kept = SharedAnswers()
    with pytest.raises(ZeroDivisionError):
        kept.get("what", lambda: 1 // 0)
    assert kept.get("what", lambda: 5) == 5
    for number in range(10):
        kept.get(number, lambda: 0)
    assert len(kept._kept) == 3


def test_tasks_at_rest_are_looked_at_in_turn(
    own_registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [hb.create(abs, [1]) for _ in range(2 * LOOKED_AT)]
    registry = Registry(str(own_registry))
    tracking = Tracking(registry, SubmissionQueue(str(own_registry / "queue")))
    looks: Counter[str] = Counter()
    status = service.status

    def counted(registry: Registry, task_id: str, *more: Any) -> hb.TaskStatus:
        looks[task_id] += 1
        return status(registry, task_id, *more)

    monkeypatch.setattr(module.service, "status", counted)
    ids = registry.ids()
    assert [one.id for one in tracking.latest(ids)] == ids
    assert looks == Counter(ids)
    for _ in range(2):
        tracking.latest(ids)
    assert looks == Counter(ids) + Counter(ids)
    made[0].remove()
    left = [one.id for _ in range(2) for one in tracking.latest(ids)]
    assert left.count(made[0].id) <= 1  # until its turn comes
    assert left.count(made[1].id) == 2
