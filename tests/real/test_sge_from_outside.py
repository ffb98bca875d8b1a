"""What others do to a running task on Grid Engine: delete, reschedule, suspend, warn."""

from __future__ import annotations

import time

import pytest

import hpcbatch as hb
from tests.cluster.conftest import eventually

from .conftest import PAUSE, Real

pytestmark = pytest.mark.sge
RERUNNABLE = {"extra": ["-r y"]}
NOTIFIED = {"extra": ["-notify"]}


def test_qdel_of_one_element(sge: Real) -> None:
    task = sge.start(sge.create(sge.told(), range(3)), 3, chunk=1)
    sge.call("qdel", sge.element_of(task, 1))
    eventually(lambda: task.status().expired == 1, "the end to be noticed", PAUSE)
    sge.open_gate()
    assert sge.reasons(task) == {1: "killed"}  # it keeps no record of a deletion
    assert task.status().done == 2
    task.resubmit()
    assert sge.wait(task).done == 3
    assert sge.begun() == {0: 1, 1: 2, 2: 1}


def test_qdel_of_the_array(sge: Real) -> None:
    task = sge.start(sge.create(sge.told(), range(3)), 2, chunk=1, throttle=2)
    sge.call("qdel", sge.array_of(task))
    assert sge.reasons(task) == {0: "killed", 1: "killed", 2: "lost"}
    sge.open_gate()
    task.resubmit()
    assert sge.wait(task).done == 3
    assert sge.begun() == {0: 2, 1: 2, 2: 1}


def test_qdel_with_a_warning(sge: Real) -> None:
    task = sge.create(sge.counting(), [0]).submit(resources=NOTIFIED)
    eventually(lambda: "step-3" in sge.lines(), "three steps")
    sge.call("qdel", sge.array_of(task))
    assert sge.reasons(task)[0] in ("killed", "timeout")  # the signal is that of a limit, too
    assert sge.lines()[-1] == "checkpoint"
    sge.open_gate()
    task.resubmit()
    assert sge.wait(task).done == 1


def test_element_that_must_not_run_twice_is_not_rescheduled(sge: Real) -> None:
    task = sge.start(sge.create(sge.told(), [0]), 1)
    said = sge.call("qmod", "-rj", sge.element_of(task, 0), check=False)
    assert "not restartable" in said
    for _ in range(3):
        assert task.status().running == 1
    sge.open_gate()
    assert sge.wait(task).done == 1
    assert sge.begun() == {0: 1}


def test_rescheduled_element_skips_what_is_done(sge: Real) -> None:
    task = sge.create(sge.told({2}), range(4)).submit(chunk=4, resources=RERUNNABLE)
    eventually(lambda: task.status().done == 2, "the first jobs to be done", PAUSE)
    # while it is in transfer, the request may come to nothing
    eventually(lambda: sge.words(task).get(0) == "r", "it to run for Grid Engine as well", PAUSE)
    asked = 0.0

    def begins_again() -> bool:
        """With one host, a request may be lost: when another job's report comes before the first
        run was ended, Grid Engine takes that run for the second one."""
        nonlocal asked
        if time.monotonic() > asked + 8:
            sge.call("qmod", "-rj", sge.element_of(task, 0))
            asked = time.monotonic()
        return sge.begun()[2] > 1

    eventually(begins_again, "job 2 to begin again")
    sge.open_gate()
    assert sge.wait(task).done == 4
    begun = sge.begun()
    assert {job: begun[job] for job in (0, 1, 3)} == {0: 1, 1: 1, 3: 1}
    assert len(sge.attempts(task)) == 1


@pytest.mark.parametrize("extra", [[], ["-notify"]], ids=["plain", "notify"])
def test_suspended_element_goes_on(sge: Real, extra: list[str]) -> None:
    task = sge.create(sge.told(), range(2))
    sge.start(task, 2, chunk=1, resources={"extra": extra, "walltime": "2h"})
    element = sge.element_of(task, 0)
    sge.call("qmod", "-sj", element)
    eventually(lambda: "s" in sge.words(task).get(0, ""), "the suspension", PAUSE)
    for _ in range(3):
        assert (task.status().running, task.status().expired) == (2, 0)
    sge.call("qmod", "-usj", element)
    eventually(lambda: sge.words(task).get(0) == "r", "the end of the suspension", PAUSE)
    sge.open_gate()
    assert sge.wait(task).done == 2
    assert sge.begun() == {0: 1, 1: 1}


def test_element_in_error_is_shown_and_ends_a_wait(sge: Real) -> None:
    task = sge.create(lambda x: x, range(2))
    task.submit(chunk=1, resources={"extra": ["-o /no/such/folder/file"]})
    with pytest.raises(hb.TaskStuck, match=r"Eqw.*/no/such/folder.*qmod -cj"):
        sge.wait(task)
    assert task.status().stuck == 2
    task.cancel()
    task.resubmit(resources={"extra": []})
    assert sge.wait(task).done == 2


def test_dependency_that_fails_ends_a_wait(sge: Real) -> None:
    first = sge.start(sge.create(sge.told(), [0]), 1)
    last = sge.create(sge.told({}), [1, 2]).submit(chunk=1, after_ok=first)
    eventually(lambda: last.status().queued == 2, "it to be listed", PAUSE)
    sge.call("qdel", sge.array_of(first))
    assert sge.reasons(last) == {0: "dependency", 1: "dependency"}
    assert sge.begun() == {0: 1}
