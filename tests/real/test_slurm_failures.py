"""A Slurm of our own that breaks under a task: its controller dies, a node goes down."""

from __future__ import annotations

from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.cluster import shell
from tests.cluster.conftest import eventually

from .conftest import PAUSE, Trial

pytestmark = pytest.mark.slurm


def test_controller_stops_and_comes_back(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    task = trial.start(trial.create(trial.told(), range(4)), 2, chunk=1, throttle=2)
    trial.end_controller()
    with monkeypatch.context() as patch:
        patch.setattr(shell, "TIMEOUT", 1.0)
        eventually(lambda: "listing failed" in str(task.status()), "a note")
        for _ in range(4):
            status = task.status()
            assert (status.running, status.expired) == (2, 0)
        trial.open_gate()
        eventually(lambda: task.status().done == 2, "the results of those that ran")
        assert task.status().expired == 0
        with pytest.raises((hb.SubmissionDeferred, hb.SubmissionUnclear)):
            trial.create(trial.told(), [4]).submit()
    trial.start_controller()
    assert trial.wait(task).done == 4
    assert task.status().notes == ()
    assert trial.begun() == dict.fromkeys(range(4), 1)
    assert len(trial.attempts(task)) == 1


def test_node_goes_down_and_slurm_requeues(trial: Trial) -> None:
    task = trial.create(trial.told({2, 3}), range(4)).submit(chunk=4)
    eventually(lambda: task.status().done == 2, "the first jobs to be done", PAUSE)
    trial.set_node(trial.node_of(task), "down")
    trial.wait_begun(job_2=2)
    trial.open_gate()
    assert trial.wait(task).done == 4
    assert trial.begun() == {0: 1, 1: 1, 2: 2, 3: 1}
    assert len(trial.attempts(task)) == 1


def test_node_goes_down_and_nobody_requeues(trial: Trial) -> None:
    task = trial.create(trial.told({2, 3}), range(4))
    task.submit(chunk=4, resources={"extra": ["--no-requeue"]})
    eventually(lambda: task.status().done == 2, "the first jobs to be done", PAUSE)
    trial.set_node(trial.node_of(task), "down")
    assert trial.reasons(task) == {2: "node-failure", 3: "node-failure"}
    trial.open_gate()
    task.resubmit()
    assert trial.wait(task).done == 4
    assert trial.begun() == {0: 1, 1: 1, 2: 2, 3: 1}


def test_node_failure_is_retried(trial: Trial) -> None:
    task = trial.create(trial.told({1}), range(2))
    options: dict[str, Any] = {"retries": 1, "retry_on": "node-failure"}
    task.submit(chunk=2, resources={"extra": ["--no-requeue"]}, **options)
    eventually(lambda: task.status().done == 1, "the first job to be done", PAUSE)
    trial.set_node(trial.node_of(task), "down")
    eventually(lambda: task.status().retrying == 1, "a retry to be due", PAUSE)
    trial.open_gate()
    assert trial.wait(task).done == 2
    assert len(trial.attempts(task)) == 2
    assert trial.begun()[0] == 1


def test_requeue_skips_what_is_done(trial: Trial) -> None:
    task = trial.create(trial.told({2, 5}), range(6)).submit(chunk=3)
    eventually(lambda: task.status().done == 4, "the first jobs to be done", PAUSE)
    trial.call("scontrol", "requeue", trial.element_of(task, 0))
    eventually(lambda: task.status().queued == 1, "the element to wait again", PAUSE)
    assert task.status().expired == 0
    trial.wait_begun(job_2=2)
    trial.open_gate()
    assert trial.wait(task).done == 6
    assert trial.begun() == {0: 1, 1: 1, 2: 2, 3: 1, 4: 1, 5: 1}
    assert len(trial.attempts(task)) == 1


def test_requeued_and_held_is_stuck(trial: Trial) -> None:
    task = trial.start(trial.create(trial.told(), [1]), 1)
    trial.call("scontrol", "requeuehold", trial.element_of(task, 0))
    with pytest.raises(hb.TaskStuck, match="scontrol release"):
        trial.wait(task)
    trial.call("scontrol", "release", trial.element_of(task, 0))
    trial.open_gate()
    assert trial.wait(task).done == 1


@pytest.mark.parametrize("queue", ["canceled", "requeued"])
def test_preempted_jobs_run_again_and_no_try_is_counted(trial: Trial, queue: str) -> None:
    task = trial.create(trial.told(), [0, 1])
    options: dict[str, Any] = {"chunk": 1, "retries": 1, "retry_scale": {"memory": 2}}
    resources = {"queue": queue, "cpus": 16, "memory": "1GB"}
    trial.start(task, 2, resources=resources, **options)
    trial.call("sbatch", "-p", "urgent", "-c", "16", "-o", "/dev/null", "--wrap", "sleep 1")
    after = {"canceled": "retrying", "requeued": "queued"}[queue]
    eventually(lambda: getattr(task.status(), after) == 1, f"one to be {after}", PAUSE)
    told = [job.reason for job in task.jobs() if job.reason]
    assert told == {"canceled": ["preempted"], "requeued": []}[queue]
    trial.open_gate()
    assert trial.wait(task).done == 2
    assert sorted(trial.begun().values()) == [1, 2]
    made = trial.attempts(task)
    assert len(made) == {"canceled": 2, "requeued": 1}[queue]
    assert [attempt.retry for attempt in made] == [0] * len(made)
    assert {attempt.resources["memory"] for attempt in made} == {1 << 30}
