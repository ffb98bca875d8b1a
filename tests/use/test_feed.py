"""A task that is larger than its user's share of the queue (``max_queued``)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import hpcbatch as hb
from hpcbatch.use import service
from hpcbatch.words.ranges import Ranges
from tests.local import Local, states

MOST = 4


def gated(log: str, gate: str) -> Callable[[int], int]:
    """A job that tells that it began, and ends when there is a file ``gate``."""

    def job(k: int) -> int:
        import os
        import time

        with open(log, "a") as file:
            file.write(f"{k}\n")
        while not os.path.exists(gate):
            time.sleep(0.02)
        return -k

    return job


@pytest.fixture
def narrow(local: Local) -> Local:
    """The local cluster, where a user may have few elements."""
    path = Path(os.environ["HPCBATCH_CONFIG"])
    content = yaml.safe_load(path.read_text())
    content["clusters"]["local"]["max_queued"] = MOST
    path.write_text(yaml.safe_dump(content))
    return local


def submitted(local: Local, njobs: int, **options: Any) -> hb.Task:
    task = local.create(gated(local.log, local.gate), range(njobs))
    task.submit("local", **{"chunk": 2, **options})
    return task


def test_only_so_many_are_in_the_queue_and_the_rest_follows(narrow: Local) -> None:
    task = submitted(narrow, 23)
    status = task.status()
    assert [(a.plan.elements, a.behind.elements) for a in narrow.attempts(task)] == [(MOST, 8)]
    assert (status.behind, status.attempts, status.resolved) == (23 - 2 * MOST, 1, False)
    assert "held back" in str(status)
    assert set(states(task)[2 * MOST :]) == {"submitted"}
    narrow.began(MOST)
    service.track(task._registry, task.id)
    assert len(narrow.attempts(task)) == 1  # no room yet
    narrow.open_gate()
    done = narrow.wait(task)
    assert (done.done, done.attempts, done.behind) == (23, 1, 0)
    assert task.collect() == [-k for k in range(23)]
    assert set(narrow.executions().values()) == {1}
    first, *others = narrow.attempts(task)
    assert all(0 < a.plan.elements <= MOST and a.follows == first.number for a in others)
    assert max(a.plan.largest() for a in others) == 2


def test_the_room_is_shared_by_all_tasks(narrow: Local) -> None:
    first, second = submitted(narrow, 6), submitted(narrow, 10)
    third = submitted(narrow, 2)
    taken = [narrow.attempts(task)[0].plan.elements for task in (first, second, third)]
    assert taken == [3, 1, 0]
    assert states(third) == ["submitted"] * 2
    assert third.status().attempts == 1
    narrow.open_gate()
    for task in (third, second, first):
        narrow.wait(task)
    assert third.collect() == [0, -1]
    assert set(narrow.executions()) == set(range(10))


def test_two_trackers_never_fill_it_over(narrow: Local) -> None:
    tasks = [submitted(narrow, 12, chunk=1) for _ in range(2)]
    most = 0
    narrow.open_gate()
    waiting = [threading.Thread(target=narrow.wait, args=(task,)) for task in tasks]
    for thread in waiting:
        thread.start()
    while any(thread.is_alive() for thread in waiting):
        most = max(most, sum(len(narrow.processes(task)) for task in tasks))
        time.sleep(0.05)
    assert most > 0
    assert [task.status().done for task in tasks] == [12, 12]
    for task in tasks:
        assert sum(a.plan.elements for a in narrow.attempts(task)) == 12


def test_a_cancellation_ends_what_waits_for_room_too(narrow: Local) -> None:
    task = submitted(narrow, 20)
    narrow.began(MOST)
    task.cancel()
    assert set(states(task)) == {"canceled"}
    assert task.status().behind == 0
    narrow.ended(task)
    service.track(task._registry, task.id)
    assert len(narrow.attempts(task)) == 1
    narrow.open_gate()
    task.resubmit()
    narrow.wait(task)
    assert task.collect() == [-k for k in range(20)]


def test_single_jobs_that_wait_for_room_are_cancelled(narrow: Local) -> None:
    task = submitted(narrow, 16)
    task.cancel(jobs=[9, 15])
    narrow.open_gate()
    narrow.wait(task)
    assert [k for k, state in enumerate(states(task)) if state == "canceled"] == [9, 15]
    assert {9, 15}.isdisjoint(narrow.executions())


def test_what_waits_for_room_is_alive_and_can_be_revoked(narrow: Local) -> None:
    task = submitted(narrow, 12)
    with pytest.raises(hb.StateError, match="waiting or running"):
        task.resubmit(jobs=[11])
    again = task.resubmit(jobs=[10, 11], chunk=1, revoke=True)
    assert again is not None
    assert task.status().behind == 4
    narrow.open_gate()
    narrow.wait(task)
    assert task.collect() == [-k for k in range(12)]
    assert set(narrow.executions().values()) == {1}


def test_errors_that_are_run_again_are_in_error_no_more(narrow: Local) -> None:
    gate = narrow.gate

    def job(k: int) -> int:
        import os

        if not os.path.exists(gate):
            raise ValueError(k)
        return k

    task = narrow.create(job, range(10))
    narrow.run(task, chunk=1)
    assert task.status().error == 10
    narrow.open_gate()
    task.resubmit()
    assert task.status().error == 0
    narrow.wait(task)
    assert task.collect() == list(range(10))


def test_who_waits_for_another_task_waits_for_all_of_it(narrow: Local) -> None:
    first = submitted(narrow, 16)
    second = narrow.create(gated(narrow.log, narrow.gate), range(100, 102))
    second.submit("local", after=first)
    assert narrow.attempts(second)[0].plan.elements == 0
    narrow.open_gate()
    narrow.wait(first)
    narrow.wait(second)
    order = list(map(int, narrow.lines()))
    assert set(order[:16]) == set(range(16))


def test_a_throttle_holds_for_all_parts(narrow: Local) -> None:
    task = submitted(narrow, 12, chunk=1, throttle=2)
    narrow.open_gate()
    narrow.wait(task)
    assert task.collect() == [-k for k in range(12)]


def test_a_rest_that_is_refused_is_as_never_submitted(narrow: Local) -> None:
    task = submitted(narrow, 16)
    path = Path(os.environ["HPCBATCH_CONFIG"])
    content = yaml.safe_load(path.read_text())
    content["clusters"]["local"]["template"] = str(narrow.folder / "absent.j2")
    path.write_text(yaml.safe_dump(content))
    narrow.open_gate()
    told = None
    while told is None or told.behind:
        told = service.track(task._registry, task.id)
        time.sleep(0.05)
    assert any("the rest was refused" in note for note in told.notes)
    assert told.defined == 8
    del content["clusters"]["local"]["template"]
    path.write_text(yaml.safe_dump(content))
    attempt = task.resubmit()
    assert attempt is not None
    assert attempt.jobs_taken == Ranges([(8, 16)])
    narrow.wait(task)


def test_a_template_that_is_wrong_is_told_although_there_is_no_room(narrow: Local) -> None:
    submitted(narrow, 16)
    bad = narrow.folder / "bad.j2"
    bad.write_text("#!/bin/sh\ntrue {{ walltim }}\n")
    path = Path(os.environ["HPCBATCH_CONFIG"])
    content = yaml.safe_load(path.read_text())
    content["clusters"]["local"]["template"] = str(bad)
    path.write_text(yaml.safe_dump(content))
    task = narrow.create(gated(narrow.log, narrow.gate), range(2))
    with pytest.raises(hb.ConfigError, match="did you mean 'walltime'"):
        task.submit("local")
    assert states(task) == ["defined"] * 2
