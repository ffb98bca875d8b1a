"""Expired jobs are submitted again by whoever tracks, as often as was asked, and no oftener."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.cluster import cluster as cluster_module
from hpcbatch.use import retry as retry_module
from hpcbatch.use import service, submission_pauses
from hpcbatch.words.errors import SubmissionDeferred, SubmissionRejected, SubmissionUnclear
from tests.core import eventually
from tests.local import Local, reasons, states


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry_module, "PAUSE", 0.0)


def dying(log: str, times: dict[int, int], code: int = 3) -> Callable[[int], int]:
    """Job k ends its process in its first ``times[k]`` executions."""

    def job(k: int) -> int:
        import os

        with open(log, "a") as file:
            file.write(f"{k}\n")
        with open(log) as file:
            if file.read().split().count(str(k)) <= times.get(k, 0):
                os._exit(code)
        return k

    return job


def test_as_often_as_was_asked(local: Local) -> None:
    task = local.create(dying(local.log, {1: 2, 2: 99}), range(4))
    status = local.run(task, chunk=1, retries=2)
    assert states(task) == ["done", "done", "expired", "done"]
    assert local.executions() == {0: 1, 1: 3, 2: 3, 3: 1}
    made = [attempt.retry for attempt in local.attempts(task)]
    assert sorted(set(made)) == [0, 1, 2]
    assert (status.attempts, status.retrying) == (len(made), 0)
    assert local.wait(task).attempts == len(made)


def test_none_unless_asked_for_and_errors_only_by_name(local: Local) -> None:
    def job(k: int) -> int:
        return 1 // k

    task = local.create(job, range(2))
    local.run(task, retries=2)
    assert states(task) == ["error", "done"]
    assert len(local.attempts(task)) == 1
    task.resubmit(retries=2, retry_on=("error", "timeout"))
    local.wait(task)
    assert states(task) == ["error", "done"]
    assert len(local.attempts(task)) == 4
    task.resubmit(retries=0)
    local.wait(task)
    assert len(local.attempts(task)) == 5


@pytest.mark.parametrize(("reason", "retried"), [("exit-code", True), ("timeout", False)])
def test_for_the_reasons_that_were_asked(local: Local, reason: str, retried: bool) -> None:
    task = local.create(dying(local.log, {0: 1}), range(2))
    local.run(task, chunk=1, retries=1, retry_on=reason)
    assert states(task) == ["done" if retried else "expired", "done"]


def test_timeouts_get_more_time(local: Local) -> None:
    log = local.log

    def job(k: int) -> int:
        import time

        with open(log, "a") as file:
            file.write(f"{k}\n")
        time.sleep(1.5)
        return k

    task = local.create(job, range(1))
    local.run(
        task,
        retries=3,
        resources={"walltime": "1s", "memory": "1GB"},
        retry_scale={"walltime": 20, "memory": 1.5},
    )
    assert states(task) == ["done"]
    asked = [attempt.resources for attempt in local.attempts(task)]
    assert [one["walltime"] for one in asked] == [1, 20]
    assert [one["memory"] for one in asked] == [1 << 30, 3 << 29]
    assert [attempt.options.retries for attempt in local.attempts(task)] == [3, 3]


def test_jobs_that_never_began_are_not_counted_and_innocents_are_all_done(local: Local) -> None:
    task = local.create(dying(local.log, dict.fromkeys((0, 1, 3), 99)), range(8))
    local.run(task, chunk=8, retries=1)
    assert states(task) == ["expired", "expired", "done", "expired", *["done"] * 4]
    counted = local.executions()
    assert [counted[k] for k in range(8)] == [2, 2, 1, 2, 1, 1, 1, 1]


def test_with_isolate_each_job_is_counted_alone(local: Local) -> None:
    task = local.create(dying(local.log, {0: 1, 1: 2, 2: 3}), range(4))
    local.run(task, chunk=4, retries=2, isolate=True)
    assert states(task) == ["done", "done", "expired", "done"]
    assert local.executions() == {0: 2, 1: 3, 2: 3, 3: 1}


def test_an_element_that_dies_before_any_job_begins_is_no_endless_loop(local: Local) -> None:
    broken = str(local.folder / "broken")

    def job(k: int) -> int:
        import os

        if k == 0:
            open(broken, "w").close()
            os._exit(1)
        return k

    task = local.create(job, range(2))
    runners = f"{os.path.dirname(task.folder)}/runner-*.pyz"
    setup = [f"if [ -e {broken} ]; then exit 9; fi # {runners}"]
    configure(local, setup=setup)
    local.run(task, chunk=2, isolate=True, retries=3)
    assert [attempt.retry for attempt in local.attempts(task)] == [0, 1, 2, 3]
    assert states(task) == ["expired", "done"]
    assert reasons(task) == {0: "exit-code 9"}


def configure(local: Local, **entry: Any) -> None:
    import yaml

    path = Path(os.environ["HPCBATCH_CONFIG"])
    content = yaml.safe_load(path.read_text())
    content["clusters"]["local"].update(entry)
    path.write_text(yaml.safe_dump(content))


def test_elements_that_never_run_anything_end_as_well(local: Local) -> None:
    configure(local, setup=["exit 9"])
    task = local.create(dying(local.log, {}), range(4))
    local.run(task, chunk=2, retries=2)
    assert states(task) == ["expired"] * 4
    assert [attempt.retry for attempt in local.attempts(task)] == [0, 1, 2]


def test_preemption_is_not_counted(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    history = cluster_module.Cluster.history

    def preempted(self: Any, *arguments: Any) -> Any:
        return [
            replace(one, ending=replace(one.ending, reason="preempted"))
            if one.ending.reason == "exit-code 3"
            else one
            for one in history(self, *arguments)
        ]

    monkeypatch.setattr(cluster_module.Cluster, "history", preempted)
    task = local.create(dying(local.log, {0: 3}), range(1))
    local.run(task, retries=1, resources={"memory": "1GB"}, retry_scale={"memory": 2})
    assert states(task) == ["done"]
    made = local.attempts(task)
    assert [attempt.retry for attempt in made] == [0] * 4
    assert {attempt.resources["memory"] for attempt in made} == {1 << 30}


def test_a_history_that_comes_late_is_believed(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = cluster_module.Cluster.history
    asked = itertools.count()

    def late(self: Any, *arguments: Any) -> Any:
        told = history(self, *arguments) if next(asked) >= 2 else []
        return [replace(one, ending=replace(one.ending, reason="node-failure")) for one in told]

    monkeypatch.setattr(cluster_module.Cluster, "history", late)
    task = local.create(dying(local.log, {0: 3}), range(1))
    local.run(task)
    eventually(lambda: reasons(task) == {0: "node-failure"}, "the history to tell")


def test_cancelled_jobs_are_not_retried(local: Local) -> None:
    gate, log = local.gate, local.log

    def job(k: int) -> None:
        import os
        import time

        with open(log, "a") as file:
            file.write(f"{k}\n")
        while not os.path.exists(gate):
            time.sleep(0.02)

    task = local.create(job, range(3))
    task.submit("local", chunk=1, retries=5)
    local.began(3)
    task.cancel()
    assert local.wait(task).canceled == 3
    assert len(local.attempts(task)) == 1


def test_many_go_in_one_submission(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """While jobs are alive, a retry waits for others to join it."""
    monkeypatch.setattr(retry_module, "PAUSE", 3600.0)
    gate = local.gate

    def job(k: int) -> int:
        import os
        import time

        if k < 4 and not os.path.exists(gate):
            os._exit(1)
        while not os.path.exists(gate):
            time.sleep(0.02)
        return k

    task = local.create(job, range(5))
    task.submit("local", chunk=1, retries=1)
    eventually(lambda: service.track(task.site.registry, task.id).retrying == 4, "four to be due")
    assert len(local.attempts(task)) == 1
    assert not service.track(task.site.registry, task.id).idle
    local.open_gate()
    assert local.wait(task).done == 5
    assert len(local.attempts(task)) == 2


def test_status_retries_nothing_and_wait_returns_when_none_is_due(local: Local) -> None:
    task = local.create(dying(local.log, {0: 1}), range(2))
    task.submit("local", chunk=1, retries=1)
    status = eventually(lambda: (s := task.status()).retrying and s, "a retry to be due")
    assert (status.retrying, status.idle, status.expired) == (1, False, 1)
    assert "retrying" in str(status)
    assert len(local.attempts(task)) == 1
    assert local.wait(task).done == 2


def test_two_trackers_make_one_retry(local: Local) -> None:
    from concurrent.futures import ThreadPoolExecutor

    task = local.create(dying(local.log, {0: 1, 1: 1}), range(3))
    task.submit("local", chunk=1, retries=3)
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda _: local.wait(hb.restore(task.id)), range(3)))
    assert [status.done for status in found] == [3] * 3
    assert local.executions() == {0: 2, 1: 2, 2: 1}


def refused_by(error: Exception, calls: list[str]) -> Callable[..., str]:
    def submit(self: Any, script: str) -> str:
        calls.append(script)
        raise error

    return submit


def expired_once(local: Local) -> hb.Task:
    task = local.create(dying(local.log, {0: 1}), range(1))
    task.submit("local", retries=2)
    eventually(lambda: task.status().retrying, "a retry to be due")
    return task


@pytest.mark.slow
def test_one_that_could_not_be_taken_is_told_and_tried_less_and_less_often(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = expired_once(local)
    calls: list[str] = []
    monkeypatch.setattr(retry_module, "PAUSE", 3600.0)
    with monkeypatch.context() as patch:
        deferred = refused_by(SubmissionDeferred("the queue is full"), calls)
        patch.setattr(cluster_module.Cluster, "submit", deferred)
        status = service.track(task.site.registry, task.id)
        assert "a retry was not taken" in status.notes[-1]
        assert "the queue is full" in status.notes[-1]
        for _ in range(5):
            service.track(task.site.registry, task.id)
        assert len(calls) == 1
    monkeypatch.setattr(retry_module, "PAUSE", 0.0)
    monkeypatch.setattr(submission_pauses, "PAUSE", 0.0)
    assert local.wait(task).done == 1


def test_one_in_doubt_is_waited_for(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    task = expired_once(local)
    calls: list[str] = []
    with monkeypatch.context() as patch:
        unclear = refused_by(SubmissionUnclear("no answer"), calls)
        patch.setattr(cluster_module.Cluster, "submit", unclear)
        for _ in range(3):
            status = service.track(task.site.registry, task.id)
        assert len(calls) == 1
        assert not status.idle
    monkeypatch.setattr("hpcbatch.use.in_doubt.GRACE", 0.0)
    monkeypatch.setattr(retry_module, "PAUSE", 0.0)
    assert local.wait(task).done == 1


def test_a_worker_killed_from_outside_is_retried(local: Local) -> None:
    gate, log = local.gate, local.log

    def job(k: int) -> int:
        import os
        import time

        with open(log, "a") as file:
            file.write(f"{k}\n")
        while not os.path.exists(gate):
            time.sleep(0.02)
        return k

    task = local.create(job, range(2))
    task.submit("local", chunk=1, retries=1, retry_on=["killed", "lost"])
    local.began(2)
    for segment in local.view(task).snapshot.segments.values():
        os.kill(segment.pid, signal.SIGKILL)
    local.open_gate()
    assert local.wait(task).done == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"retries": -1}, "retries -1 is no whole number from 0 up"),
        ({"retries": True}, "retries True"),
        ({"retries": 1.5}, "retries 1.5"),
        ({"retry_on": "timeuot"}, "did you mean 'timeout'"),
        ({"retry_on": 3}, "no list of reasons"),
        ({"retry_scale": {"memroy": 2}}, "did you mean 'memory'"),
        ({"retry_scale": {"memory": 0.5}}, "is not 1 to 1000"),
        ({"retry_scale": {"memory": "2"}}, "is not 1 to 1000"),
        ({"retry_scale": {"memory": float("nan")}}, "is not 1 to 1000"),
        ({"retry_scale": 2}, "no table"),
        ({"retry_scale": {"memory": 2}}, "retry_scale is about retries, and there are none"),
        ({"retry_on": "oom", "retries": 1}, "did you mean 'out-of-memory'"),
        ({"retry_on": "timeout", "retries": 0}, "retry_on is about retries"),
    ],
)
def test_what_cannot_be_right(options: dict[str, Any], told: str) -> None:
    task = hb.create(abs, range(1))
    with pytest.raises(hb.UsageError) as caught:
        task.submit("local", **options)
    assert told in str(caught.value)
    assert task.status().defined == 1


@pytest.mark.parametrize("how", ["rejected", "resources"])
def test_one_that_is_refused_for_good_ends_the_wait(
    local: Local, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    task = local.create(dying(local.log, {0: 99}), range(1))
    task.submit("local", retries=9, resources={"memory": "1GB"}, retry_scale={"memory": 900})
    eventually(lambda: task.status().retrying, "a retry to be due")
    if how == "rejected":
        rejected = refused_by(SubmissionRejected("no such queue"), [])
        monkeypatch.setattr(cluster_module.Cluster, "submit", rejected)
    status = task.wait(timeout=30, progress=False)
    assert status.expired == 1
    assert "retry" in status.notes[-1]


@pytest.mark.parametrize("jobs", [None, [0]])
def test_a_canceled_task_is_not_retried(local: Local, jobs: list[int] | None) -> None:
    task = local.create(dying(local.log, {0: 99}), range(1))
    task.submit("local", retries=9)
    eventually(lambda: task.status().retrying, "a retry to be due")
    task.cancel(jobs)
    status = task.wait(timeout=30, progress=False)
    assert (status.retrying, status.attempts) == (0, 1)
