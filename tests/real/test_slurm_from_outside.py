"""What others do to a running task on Slurm: cancel, signal, suspend."""

from __future__ import annotations

import signal
from typing import Any

import pytest

import hpcbatch as hb
from tests.cluster.conftest import eventually

from .conftest import PAUSE, Real

pytestmark = pytest.mark.slurm


def test_scancel_of_one_element(slurm: Real) -> None:
    task = slurm.start(slurm.create(slurm.told(), range(3)), 3, chunk=1)
    slurm.call("scancel", slurm.element_of(task, 1))
    eventually(lambda: task.status().expired == 1, "the end to be noticed", PAUSE)
    slurm.open_gate()
    assert slurm.reasons(task) == {1: "canceled"}
    assert task.status().done == 2
    task.resubmit()
    assert slurm.wait(task).done == 3
    assert slurm.begun() == {0: 1, 1: 2, 2: 1}


def test_scancel_of_the_array(slurm: Real) -> None:
    task = slurm.start(slurm.create(slurm.told(), range(3)), 2, chunk=1, throttle=2)
    slurm.call("scancel", slurm.array_of(task))
    reasons = slurm.reasons(task)
    assert [reasons[job] for job in (0, 1)] == ["canceled", "canceled"]
    assert reasons[2] in ("canceled", "lost")  # Slurm forgets what never ran
    slurm.open_gate()
    task.resubmit()
    assert slurm.wait(task).done == 3
    assert slurm.begun() == {0: 2, 1: 2, 2: 1}


@pytest.mark.parametrize("name", ["TERM", "KILL"])
def test_signal_to_one_element(slurm: Real, name: str) -> None:
    task = slurm.start(slurm.create(slurm.told(), range(2)), 2, chunk=1)
    slurm.call("scancel", f"--signal={name}", "-b", slurm.element_of(task, 0))
    eventually(lambda: task.status().expired == 1, "the end to be noticed", PAUSE)
    slurm.open_gate()
    assert slurm.reasons(task) == {0: "killed"}
    assert task.job(0).stats.signal == getattr(signal, f"SIG{name}")


def test_suspended_element_goes_on(slurm: Real) -> None:
    task = slurm.start(slurm.create(slurm.told(), range(2)), 2, chunk=1)
    element = slurm.element_of(task, 0)
    slurm.call("scontrol", "suspend", element)
    eventually(lambda: slurm.words(task).get(0) == "SUSPENDED", "the suspension", PAUSE)
    slurm.open_gate()
    eventually(lambda: task.status().done == 1, "the other to be done", PAUSE)
    for _ in range(3):
        assert (task.status().running, task.status().expired) == (1, 0)
    slurm.call("scontrol", "resume", element)
    assert slurm.wait(task).done == 2
    assert slurm.begun() == {0: 1, 1: 1}


@pytest.mark.parametrize("sent", ["USR1", "TERM"])
def test_warned_job_goes_on_from_its_checkpoint(slurm: Real, sent: str) -> None:
    task = slurm.create(slurm.counting(), [0]).submit()
    eventually(lambda: "step-3" in slurm.lines(), "three steps")
    slurm.call("scancel", f"--signal={sent}", "-b", slurm.element_of(task, 0))
    eventually(lambda: task.status().expired == 1, "the end to be noticed", PAUSE)
    assert slurm.reasons(task) == {0: {"USR1": "timeout", "TERM": "killed"}[sent]}
    assert slurm.lines()[-1] == "checkpoint"
    slurm.open_gate()
    task.resubmit()
    assert slurm.wait(task).done == 1
    assert task.collect()[0] >= 3


def test_what_can_never_begin_ends_a_wait(slurm: Real) -> None:
    task = slurm.create(lambda x: x, range(2)).submit(resources={"cpus": 999})
    with pytest.raises(hb.TaskStuck, match="it asks for more"):
        slurm.wait(task)
    assert task.status().stuck == 2
    task.cancel()
    task.resubmit(resources={"cpus": 1})
    assert slurm.wait(task).done == 2


def test_dependency_that_fails_ends_a_wait(slurm: Real) -> None:
    def fails(x: int) -> Any:
        raise ValueError(x)

    first = slurm.create(slurm.told(), [0])
    slurm.start(first, 1)
    last = slurm.create(slurm.told({}), [1, 2]).submit(chunk=1, after_ok=first)
    eventually(lambda: "Dependency" in str(last.status()), "the wait to be told", PAUSE)
    assert last.status().queued == 2
    slurm.call("scancel", slurm.array_of(first))
    assert slurm.reasons(last) == {0: "dependency", 1: "dependency"}
    assert slurm.begun() == {0: 1}
