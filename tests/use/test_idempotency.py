"""A submission that is asked for twice, because no answer came, is done once."""

from __future__ import annotations

import pytest

import hpcbatch as hb
from hpcbatch.cluster.cluster import Cluster
from hpcbatch.registry.registry import Registry
from hpcbatch.use import idempotency, in_doubt
from hpcbatch.use.idempotency import submit_once
from hpcbatch.use.resubmit import Resubmission, resubmit
from hpcbatch.use.submit import submit_defined
from hpcbatch.words.model import Attempt
from hpcbatch.words.options import SubmitOptions
from tests.local import Local


def asked(task: hb.Task, word: str) -> Attempt | None:
    registry = Registry()
    options = SubmitOptions("local", request=word)
    return submit_once(
        registry, task.id, word, lambda: submit_defined(registry, task.spec, options)
    )


def again(task: hb.Task, word: str) -> Attempt | None:
    registry = Registry()
    order = Resubmission(SubmitOptions(request=word))
    return submit_once(registry, task.id, word, lambda: resubmit(registry, task.id, order))


def test_the_same_word_is_the_same_attempt(local: Local) -> None:
    task = local.create(lambda k: k, [1, 2])
    first = asked(task, "a")
    second = asked(task, "a")
    assert first is not None
    assert second is not None
    assert (first.number, first.arrays) == (second.number, second.arrays)
    with pytest.raises(hb.AlreadySubmitted):
        asked(task, "b")
    local.wait(task)
    assert len(local.attempts(task)) == 1


def test_a_resubmission_is_done_once(local: Local) -> None:
    """Also when all that it ran has failed again by the time it is asked for once more."""
    task = local.create(lambda k: 1 / k, [0])
    asked(task, "a")
    local.wait(task)
    first = again(task, "b")
    local.wait(task)
    second = again(task, "b")
    assert first is not None
    assert second is not None
    assert first.number == second.number == 2
    third = again(task, "c")
    assert third is not None
    assert third.number == 3


class Killed(BaseException):
    pass


def test_one_that_was_interrupted_is_waited_for(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed before the scheduler took it: the grace over, it is made again."""
    monkeypatch.setattr(in_doubt, "GRACE", 0.3)
    monkeypatch.setattr(idempotency, "PAUSE", 0.1)

    def killed(cluster: Cluster, script: str) -> str:
        raise Killed

    task = local.create(lambda k: k, [1])
    with monkeypatch.context() as patch:
        patch.setattr(Cluster, "submit", killed)
        with pytest.raises(Killed):
            asked(task, "a")
    made = asked(task, "a")
    assert made is not None
    assert made.number == 2
    local.wait(task)
    assert task.collect() == [1]
    first, _ = local.attempts(task)
    assert first.given_up
