"""Cancel: nothing of it is alive afterwards, what was there stays, and it may be said twice."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import hpcbatch as hb
from hpcbatch.use.cancel import Canceled, cancel
from hpcbatch.words.ranges import Ranges
from tests.core import eventually
from tests.local import Local, states


def endless(log: str, gate: str) -> Callable[[int], int]:
    """Job 0 ends at once; the others tell that they began, and wait for the gate."""

    def job(k: int) -> int:
        import os
        import subprocess
        import time

        if k == 0:
            return 0
        helper = subprocess.Popen(["sleep", "600"])
        with open(log, "a") as file:
            file.write(f"{k}\n")
        while not os.path.exists(gate):
            time.sleep(0.02)
        helper.kill()
        helper.wait()
        return k

    return job


@pytest.fixture
def task(local: Local) -> hb.Task:
    return local.create(endless(local.log, local.gate), range(6))


def test_whole(local: Local, task: hb.Task) -> None:
    task.submit("local", chunk=2)
    local.began(3)
    assert len(local.processes(task)) >= 6
    status = task.cancel()
    assert status.done + status.canceled == 6
    local.ended(task)
    assert states(task) == ["done"] + ["canceled"] * 5
    assert task.collect(on_error="skip") == [0]
    assert local.wait(task).canceled == 5
    (error,) = {str(error).partition(" ")[2] for error in task.errors() if error.index == 1}
    assert "canceled" in error
    again = task.cancel()
    assert again.canceled == 5
    assert len(local.attempts(task)) == 1


def test_what_waits_never_runs(
    local: Local, task: hb.Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPCBATCH_LOCAL_SLOTS", "1")
    task.submit("local", chunk=1)
    local.began(1)
    task.cancel()
    local.ended(task)
    assert states(task) == ["done"] + ["canceled"] * 5
    assert local.lines() == ["1"]


def test_waiting_and_running_ones_in_elements_of_one(local: Local, task: hb.Task) -> None:
    task.submit("local", chunk=1, throttle=3)
    local.began(2)
    running = sorted(map(int, local.lines()))[-1]
    task.cancel(jobs=[running, 5])
    eventually(lambda: task.job(running).state == "canceled" and task.job(5).state == "canceled")
    local.open_gate()
    status = local.wait(task)
    assert (status.done, status.canceled) == (4, 2)
    assert 5 not in local.executions()
    local.ended(task)


def test_a_running_one_in_a_shared_element_ends_by_itself_and_that_is_told(
    local: Local, task: hb.Task
) -> None:
    task.submit("local", chunk=6)
    local.began(1)
    with pytest.warns(RuntimeWarning, match="job 1 runs in one process with jobs that go on"):
        task.cancel(jobs=[1, 3, 4])
    assert states(task)[1] == "running"
    assert states(task)[3:5] == ["canceled", "canceled"]
    log = Path(local.log)  # the element looks at most once a second
    eventually(lambda: time.time() - log.stat().st_mtime > 1.2, "the next look to be due")
    local.open_gate()
    local.wait(task)
    assert states(task) == ["done", "done", "done", "canceled", "canceled", "done"]
    assert sorted(local.executions()) == [1, 2, 5]


def test_a_running_one_with_isolate_ends_at_once_and_the_others_go_on(
    local: Local, task: hb.Task
) -> None:
    task.submit("local", chunk=6, isolate=True)
    local.began(1)
    task.cancel(jobs=[1, 4])
    local.began(2)
    local.open_gate()
    local.wait(task)
    assert states(task) == ["done", "canceled", "done", "done", "canceled", "done"]
    assert sorted(local.executions()) == [1, 2, 3, 5]
    local.ended(task)


def test_all_jobs_of_a_shared_element_by_number_end_it(local: Local, task: hb.Task) -> None:
    task.submit("local", chunk=3)
    local.began(2)
    task.cancel(jobs=range(1, 3))
    eventually(lambda: len(local.processes(task)) <= 3, "one element to end")
    local.open_gate()
    local.wait(task)
    assert states(task) == ["done", "canceled", "canceled", "done", "done", "done"]


def test_of_a_finished_task_and_of_one_never_submitted(local: Local) -> None:
    def job(k: int) -> int:
        return 1 // k

    task = local.create(job, range(3))
    assert task.cancel().defined == 3
    local.run(task)
    before = states(task)
    for jobs in (None, [0, 1], []):
        only = None if jobs is None else Ranges.of(jobs)
        assert cancel(task.site.registry, task.id, only) == Canceled(0, [])
    assert states(task) == before == ["error", "done", "done"]
    with pytest.raises(hb.NotFound, match="numbered 0 to 2"):
        task.cancel(jobs=[3])
    with pytest.raises(hb.NotFound, match="there is no job -1"):
        task.cancel(jobs=[-1])
    with pytest.raises(hb.UsageError):
        task.cancel(jobs=["a"])  # type: ignore[list-item]


def test_some_of_a_later_attempt_leave_the_earlier_as_it_was(local: Local, task: hb.Task) -> None:
    task.submit("local", chunk=1)
    local.began(5)
    task.cancel()
    task.resubmit(jobs=[2, 3])
    local.began(7)
    task.cancel(jobs=[2])
    eventually(lambda: task.job(2).state == "canceled")
    assert states(task)[1:] == ["canceled", "canceled", "running", "canceled", "canceled"]
    local.open_gate()
    local.wait(task)
    assert states(task) == ["done", "canceled", "canceled", "done", "canceled", "canceled"]


def test_while_elements_finish(local: Local) -> None:
    log = local.log

    def job(k: int) -> int:
        import time

        time.sleep(0.01)
        with open(log, "a") as file:
            file.write(f"{k}\n")
        return k

    task = local.create(job, range(28))
    task.submit("local", chunk=2)
    local.began(8)
    status = task.cancel()
    local.ended(task)
    status = local.wait(task)
    assert status.done + status.canceled == 28
    assert len(task.collect(on_error="skip")) == status.done
    task.resubmit()
    assert local.wait(task).done == 28
    again = sum(local.executions().values()) - 28
    assert again <= 8, "at most the jobs in flight ran twice"


def test_from_two_clients_at_once(local: Local, task: hb.Task) -> None:
    task.submit("local", chunk=2)
    local.began(3)
    code = f"import hpcbatch; print(hpcbatch.restore({task.id!r}).cancel().canceled)"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clients = [
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        here = threading.Thread(target=task.cancel)
        here.start()
        said = [client.communicate(timeout=60)[0] for client in clients]
        here.join()
    assert all(client.returncode == 0 for client in clients)
    assert all(text.strip() == "5" for text in said)
    local.ended(task)


def test_again_when_its_cluster_has_forgotten_it(
    local: Local, task: hb.Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    task.submit("local", chunk=2)
    local.began(3)
    task.cancel()
    local.ended(task)
    spool = local.folder / "other-spool"
    spool.mkdir(mode=0o700)
    with monkeypatch.context() as patch:
        patch.setenv("HPCBATCH_LOCAL_SPOOL", str(spool))
        assert cancel(task.site.registry, task.id).objections == []
