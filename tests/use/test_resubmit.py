"""Resubmission of only what is unfinished: refused, taken away, mended, raced for."""

from __future__ import annotations

import os
import random
import shlex
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

import hpcbatch as hb
from hpcbatch.cluster.schedulers.local import Local as LocalScheduler
from hpcbatch.registry.attempts import submitting, write_attempt
from hpcbatch.registry.view import View
from hpcbatch.runner.bundle import ensure_runner
from hpcbatch.use import in_doubt, remove
from hpcbatch.words.assignment import Assignment
from hpcbatch.words.model import Attempt, Ending
from tests.core import Case, eventually, everyone, make_attempt, run_script
from tests.local import Local, by_value, states


def failing(log: str, mended: str) -> Callable[..., Any]:
    """Odd jobs raise and job 0 kills its process, until there is a file ``mended``."""

    def job(k: int, scale: int = 1) -> int:
        import os

        with open(log, "a") as file:
            file.write(f"{k}\n")
        if not os.path.exists(mended):
            if k == 0:
                os._exit(3)
            if k % 2:
                raise ValueError(k)
        return k * scale

    return job


@pytest.fixture
def task(local: Local) -> hb.Task:
    """Six jobs: 0 expired, 1, 3 and 5 in error, 2 and 4 done."""
    task = local.create(
        failing(local.log, str(local.folder / "mended")), range(6), const={"scale": 10}
    )
    local.run(task, chunk=1, resources={"memory": "1GB", "walltime": "5m"})
    assert states(task) == ["expired", "error", "done", "error", "done", "error"]
    return task


def mend(local: Local) -> None:
    (local.folder / "mended").touch()


def test_only_what_is_unfinished_runs_again(local: Local, task: hb.Task) -> None:
    mend(local)
    attempt = task.resubmit()
    assert attempt is not None
    assert list(attempt.plan.jobs) == [0, 1, 3, 5]
    assert repr(attempt) == "<Attempt 2: 4 jobs in 4 elements on local>"
    assert local.wait(task).done == 6
    assert task.collect() == [0, 10, 20, 30, 40, 50]
    assert local.executions() == {0: 2, 1: 2, 2: 1, 3: 2, 4: 1, 5: 2}
    assert task.resubmit() is None
    assert task.resubmit(only="error", jobs=[1], revoke=True) is None


CHOICES: list[tuple[dict[str, Any], list[int]]] = [
    ({"only": "error"}, [1, 3, 5]),
    ({"only": ["expired", "canceled"]}, [0]),
    ({"jobs": range(3)}, [0, 1]),
    ({"jobs": iter([0, 1]), "only": "error"}, [1]),
]


def test_chosen_by_state_and_by_number(local: Local, task: hb.Task) -> None:
    for chosen, jobs in CHOICES:
        attempt = task.resubmit(**chosen)
        assert attempt is not None
        assert list(attempt.plan.jobs) == jobs
        local.wait(task)


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"jobs": [6]}, hb.NotFound, "numbered 0 to 5"),
    ({"jobs": [-1]}, hb.NotFound, "there is no job -1"),
    ({"jobs": ["x"]}, hb.UsageError, "jobs"),
    ({"only": "expried"}, hb.UsageError, "did you mean 'expired'"),
    ({"memroy": "1GB"}, hb.UsageError, "unknown option 'memroy'"),
    ({"memory": "1GB"}, hb.UsageError, "write resources={'memory': '1GB'}"),
    ({"resources": {"memroy": "1GB"}}, hb.ResourceError, "did you mean 'memory'"),
    ({"cluster": "lcoal"}, hb.ConfigError, "did you mean 'local'"),
    ({"function": 3}, hb.InputError, "cannot be called"),
    ({"function": lambda: 3}, hb.InputError, "does not take these inputs"),
    ({"chunk": 0}, hb.ResourceError, "chunk"),
    ({"retry_on": "timeout"}, hb.UsageError, "retry_on is about retries"),
]


@pytest.mark.parametrize("chosen", [{"jobs": [2, 4]}, {"jobs": []}, {"only": "canceled"}], ids=str)
def test_nothing_is_submitted_when_no_job_is_chosen(
    local: Local, task: hb.Task, chosen: dict[str, Any]
) -> None:
    assert task.resubmit(**chosen) is None
    assert len(local.attempts(task)) == 1


def test_what_cannot_be_right_changes_nothing(local: Local, task: hb.Task) -> None:
    for chosen, error, told in WRONG:
        with pytest.raises(error) as caught:
            task.resubmit(**chosen)
        assert told in str(caught.value)
    with pytest.raises(hb.UsageError, match=r"walltime is a resource: write resources=\{'wallt"):
        task.submit("local", walltime="1h")  # type: ignore[call-arg]
    with pytest.raises(hb.UsageError, match=r"mem is a resource: write resources=\{'memory'"):
        task.submit("local", mem="1GB")  # type: ignore[call-arg]
    assert len(local.attempts(task)) == 1
    assert states(task)[:2] == ["expired", "error"]


def test_options_stay_as_they_were_unless_others_are_asked_for(local: Local, task: hb.Task) -> None:
    task.resubmit(resources={"memory": "2GB"}, retries=1)
    local.wait(task)
    task.resubmit(chunk=2, isolate=True)
    first, second, *_, last = local.attempts(task)
    assert first.resources["memory"] == 1 << 30
    assert (second.resources["memory"], second.resources["walltime"]) == (2 << 30, 300)
    assert (last.resources["memory"], last.options.retries, last.options.isolate) == (
        2 << 30, 1, True
    )  # fmt: skip
    assert last.plan.elements == 2


def test_variables_are_those_of_the_attempt_before_and_others_beside(local: Local) -> None:
    def variables(k: int) -> list[str | None]:
        import os

        if k == 0 and "MENDED" not in os.environ:
            raise ValueError(k)
        return [os.environ.get(name) for name in ("HOSTILE", "PATH", "MENDED")]

    hostile = "it's \n$(touch pwned) `id` \\ é"
    task = local.create(variables, range(2))
    path = os.environ["PATH"]
    local.run(task, env={"HOSTILE": hostile, "PATH": f"/first:{path}"})
    assert states(task) == ["error", "done"]
    task.resubmit(env={"MENDED": 1})
    task.wait(60)
    assert task.collect() == [
        [hostile, f"/first:{path}", "1"],
        [hostile, f"/first:{path}", None],
    ]


def test_what_is_about_retries_goes_with_them(local: Local, task: hb.Task) -> None:
    asked = {"retry_on": ("killed",), "retry_scale": {"memory": 2.0}}
    task.resubmit(retries=1, **asked)
    task.cancel()
    task.resubmit(retries=0)
    task.cancel()
    with pytest.raises(hb.UsageError, match="retry_on is about retries"):
        task.resubmit(**asked)
    with pytest.raises(hb.UsageError, match="retry_scale is about retries"):
        task.resubmit(retry_scale={"memory": 2}, retries=0)
    assert [attempt.options.retry_on for attempt in local.attempts(task)] == [
        None, ("killed",), None
    ]  # fmt: skip


def test_a_host_has_one_name(local: Local, task: hb.Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedulers may know the node by another one than it has itself."""
    ending = View.ending

    def renamed(view: View, attempt: Attempt, element: int) -> Ending | None:
        found = ending(view, attempt, element)
        return found and replace(found, host="node-of-the-scheduler")

    monkeypatch.setattr(View, "ending", renamed)
    own = os.uname().nodename
    assert task.jobs()[0].stats.host == own
    assert task.errors()[0].message.endswith(f" on {own}")


def test_on_another_cluster_with_its_own_resources(local: Local, task: hb.Task) -> None:
    config = Path(os.environ["HPCBATCH_CONFIG"])
    content = yaml.safe_load(config.read_text())
    content["clusters"]["other"] = {
        **content["clusters"]["local"], "resources": {"walltime": "1m"}, "env": {"WHERE": "other"}
    }  # fmt: skip
    config.write_text(yaml.safe_dump(content))
    mend(local)
    task.resubmit("other")
    assert local.wait(task).done == 6
    attempt = local.attempts(task)[-1]
    assert attempt.cluster == "other"
    assert attempt.resources["walltime"] == 60
    assert "memory" not in attempt.resources
    assert task.status().clusters == ("local", "other")


def gated(log: str, gate: str) -> Callable[[int], int]:
    def job(k: int) -> int:
        import os
        import time

        with open(log, "a") as file:
            file.write(f"{k}\n")
        while not os.path.exists(gate):
            time.sleep(0.02)
        return k

    return job


def test_refused_while_chosen_jobs_are_alive(local: Local) -> None:
    task = local.create(gated(local.log, local.gate), range(4))
    task.submit("local", chunk=2)
    local.began(2)
    for chosen in ({}, {"jobs": [3]}, {"only": "running"}):
        with pytest.raises(hb.StateError, match="waiting or running: wait"):
            task.resubmit(**chosen)
    assert len(local.attempts(task)) == 1
    local.open_gate()
    assert local.wait(task).done == 4
    assert local.executions() == dict.fromkeys(range(4), 1)


def test_a_revocation_that_cannot_be_submitted_leaves_what_runs_alone(local: Local) -> None:
    task = local.create(gated(local.log, local.gate), range(2))
    task.submit("local", chunk=2)
    local.began(1)
    with pytest.raises(hb.ConfigError, match="unknown cluster 'nope'"):
        task.resubmit("nope", revoke=True)
    local.open_gate()
    assert local.wait(task).done == 2
    assert local.executions() == dict.fromkeys(range(2), 1)


def test_revoke_takes_jobs_from_their_elements(local: Local) -> None:
    task = local.create(gated(local.log, local.gate), range(4))
    task.submit("local", chunk=4)
    local.began(1)
    task.resubmit(jobs=[2, 3], revoke=True, chunk=1)
    local.began(3)
    log = Path(local.log)  # the element looks at most once a second
    eventually(lambda: time.time() - log.stat().st_mtime > 1.2, "the next look to be due")
    local.open_gate()
    assert local.wait(task).done == 4
    assert local.executions() == dict.fromkeys(range(4), 1)
    assert [job.stats.attempt for job in task.jobs()] == [1, 1, 2, 2]


def test_revoke_of_everything_ends_the_elements_before(local: Local) -> None:
    task = local.create(gated(local.log, local.gate), range(4))
    task.submit("local", chunk=2)
    local.began(2)
    before = local.processes(task)
    task.resubmit(revoke=True)
    eventually(lambda: not set(before) & set(local.processes(task)), "the first attempt to end")
    local.began(6 if local.attempts(task)[-1].plan.elements == 4 else 4)
    local.open_gate()
    assert local.wait(task).done == 4
    assert {job.stats.attempt for job in task.jobs()} == {2}


def test_a_part_taken_later_does_not_give_the_rest_back(local: Local) -> None:
    task = local.create(gated(local.log, local.gate), range(4))
    task.submit("local", chunk=4)
    local.began(1)
    task.resubmit(revoke=True, chunk=4)
    task.resubmit(jobs=[3], revoke=True)
    local.open_gate()
    assert local.wait(task).done == 4
    (element,) = (a for a in local.attempts(task) if a.number == 1)
    runner = ensure_runner(task.site.registry.root)
    ended = subprocess.run(
        [sys.executable, runner, task.folder, "1", "0"], cwd=local.folder, check=False
    )
    assert ended.returncode in (0, 1)
    assert max(local.executions().values()) <= 2
    assert element.plan.elements == 1


def test_the_result_of_a_straggler_counts_and_the_job_is_not_run_again(local: Local) -> None:
    """An element that nobody could end: its host was cut off, and comes back."""
    case = Case(local.create(gated(local.log, local.gate), range(3)))
    case.submit()
    with case.element(1) as straggler:
        local.began(1)
        assert case.task.status().running == 1
        straggler.send_signal(signal.SIGSTOP)
        case.submit()
        straggler.send_signal(signal.SIGCONT)
        local.open_gate()
        straggler.wait(30)
    done = list(case.values())
    assert 0 in done
    assert case.run(2) == 0
    assert case.values() == {0: 0, 1: 1, 2: 2}
    assert local.executions() == dict.fromkeys(range(3), 1)


def test_a_second_result_changes_nothing(local: Local) -> None:
    marker = str(local.folder / "second")

    def job(k: int) -> str:
        import os

        return "second" if os.path.exists(marker) else "first"

    case = Case(local.create(job, range(2)))
    case.submit()
    case.submit()
    assert case.run(1) == 0
    assert case.values() == {0: "first", 1: "first"}
    Path(marker).touch()
    assert case.run(2) == 0
    assert case.values() == {0: "first", 1: "first"}


def test_a_submission_under_way_is_waited_for(
    local: Local, task: hb.Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its intent is recorded, and the scheduler has not answered: whoever watches stays."""
    mend(local)
    gate, submit = tmp_path / "answers", shlex.join(LocalScheduler().submit_argv())
    slow = f"while [ ! -e {shlex.quote(str(gate))} ]; do sleep 0.05; done; exec {submit}"
    with monkeypatch.context() as patch:
        patch.setattr(LocalScheduler, "submit_argv", lambda self: ["/bin/sh", "-c", slow])
        submitting = threading.Thread(target=task.resubmit)
        submitting.start()
        eventually(lambda: len(local.attempts(task)) == 2, "the intent")
        assert not task.status().idle
        gate.touch()
        assert task.wait(timeout=60).done == 6
        submitting.join()


def test_a_task_is_not_removed_while_it_is_submitted(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case.of(abs, [-1])
    monkeypatch.setattr(remove, "submitting", partial(submitting, seconds=0.0))
    with submitting(case.layout), pytest.raises(hb.RegistryBusy):
        case.task.remove()
    case.task.remove()
    assert not Path(case.layout.folder).exists()


def test_a_doubt_that_nobody_can_settle_is_told_and_ends_with_a_cancellation() -> None:
    case = Case.of(abs, [-1, -2])
    attempt = make_attempt(1, everyone(2), submitted=False, host="elsewhere")
    write_attempt(case.layout, attempt, Assignment("python", (), 0))
    status = case.task.status()
    assert (status.in_doubt, status.idle) == (True, False)
    told = "whether attempt 1 was taken is not known here: look on host elsewhere, or cancel it"
    assert status.notes == (told,)
    with pytest.raises(hb.WaitTimeout):
        case.task.wait(timeout=0)
    with pytest.raises(hb.StateError, match="may still show up: cancel it first"):
        case.task.remove()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an array that is in no listing
        case.task.cancel()
    status = case.task.wait(timeout=10)
    assert (status.canceled, status.in_doubt, status.notes) == (2, False, ())


def test_two_at_once_make_one_attempt(local: Local, task: hb.Task) -> None:
    mend(local)
    code = f"""
import hpcbatch as hb
try:
    print(hb.restore({task.id!r}).resubmit())
except hb.StateError as error:
    print("refused")
"""
    clients = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = sorted(client.communicate(timeout=60)[0].strip() for client in clients)
    assert all(client.returncode == 0 for client in clients)
    assert sum(text.startswith("<Attempt ") for text in said) == 1
    assert all(text in ("refused", "None") or text.startswith("<Attempt ") for text in said)
    assert local.wait(task).done == 6
    assert len(local.attempts(task)) == 2
    assert local.executions() == {0: 2, 1: 2, 2: 1, 3: 2, 4: 1, 5: 2}


def test_a_mended_closure_keeps_constants_and_stays_for_later_attempts(
    local: Local, task: hb.Task
) -> None:
    offset = 1000

    def mended(k: int, scale: int) -> int:
        if k == 5:
            raise KeyError("mended, but not for this one")
        return k * scale + offset

    task.resubmit(function=by_value(mended))
    local.wait(task)
    assert task.collect(on_error="skip") == [1000, 1010, 20, 1030, 40]
    task.resubmit(resources={"memory": "2GB"})
    local.wait(task)
    (error,) = task.errors()
    assert error.type == "KeyError"
    assert [attempt.function for attempt in local.attempts(task)] == [0, 2, 2]


FIRST = """
import hpcbatch as hb
import shapes

def area(shape, scale):
    raise ValueError("not yet")

if __name__ == "__main__":
    task = hb.create(area, [shapes.Square(k) for k in range(3)], const={"scale": shapes.Scale(2)})
    task.submit("local", chunk=3)
    task.wait(progress=False)
    print(task.id)
"""
SHAPES = """
class Square:
    def __init__(self, side):
        self.side = side

class Scale:
    def __init__(self, factor):
        self.factor = factor
"""
MENDED = """
import units

def area(shape, scale):
    return units.square(shape.side) * scale.factor
"""
SECOND = """
import sys
import hpcbatch as hb
import mended

task = hb.restore("last")
task.resubmit(function=mended.area)
task.wait(progress=False)
print(task.collect())
"""


def test_a_mended_function_of_a_module_of_its_own_with_inputs_of_the_first(local: Local) -> None:
    first, second = local.folder / "first", local.folder / "second"
    first.mkdir()
    second.mkdir()
    (first / "shapes.py").write_text(SHAPES)
    made = run_script(first, FIRST)
    assert made.returncode == 0, made.stderr
    (second / "mended.py").write_text(MENDED)
    (second / "units.py").write_text("def square(x):\n    return x * x\n")
    ended = run_script(second, SECOND)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "[0, 2, 8]"
    task = hb.restore("last")
    assert [job.state for job in task.jobs()] == ["done"] * 3


def test_retries_keep_the_mended_function(local: Local, task: hb.Task) -> None:
    marker = str(local.folder / "tried")

    def mended(k: int, scale: int) -> str:
        import os

        if k == 0 and not os.path.exists(marker):
            open(marker, "w").close()
            os._exit(1)
        return "mended"

    task.resubmit(function=by_value(mended), retries=1, chunk=1)
    assert local.wait(task).done == 6
    assert task.job(0).result() == "mended"
    assert [attempt.function for attempt in local.attempts(task)] == [0, 2, 2]


def test_a_refused_resubmission_changes_nothing(local: Local, task: hb.Task) -> None:
    mend(local)
    with pytest.raises(hb.SubmissionRejected, match="no-such"):
        task.resubmit(resources={"extra": ["--no-such=1"]})
    assert states(task) == ["expired", "error", "done", "error", "done", "error"]
    assert task.resubmit() is not None
    assert local.wait(task).done == 6


LOOP = """
import random, sys, time
import hpcbatch as hb
from hpcbatch.use import in_doubt

in_doubt.GRACE = 4.0
task = hb.restore(sys.argv[1])
chance = random.Random(int(sys.argv[2]))
while True:
    try:
        if chance.random() < 0.3:
            task.cancel(None if chance.random() < 0.5 else [chance.randrange(len(task))])
        else:
            task.resubmit(revoke=chance.random() < 0.3, chunk=chance.randrange(1, 9))
    except (hb.StateError, hb.UsageError):
        pass
    task.status()
    time.sleep(chance.random() / 20)
"""
KILLS = 20


@pytest.mark.slow
def test_a_client_killed_at_any_moment_of_resubmit_and_cancel(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No job with a stored result runs again, none is lost, nothing is submitted twice."""
    monkeypatch.setattr(in_doubt, "GRACE", 4.0)
    log = local.log

    def job(k: int) -> int:
        import time

        with open(log, "a") as file:
            file.write(f"{k}\n")
        time.sleep(0.05)
        return k

    task = local.create(job, range(60))
    task.submit("local", chunk=10)
    chance = random.Random(1)
    seen: set[int] = set()
    for kill in range(KILLS):
        client = subprocess.Popen(
            [sys.executable, "-c", LOOP, task.id, str(kill)], stderr=subprocess.PIPE, text=True
        )
        time.sleep(0.3 + chance.random() * 0.7)
        client.kill()
        said = client.communicate()[1]
        assert "Traceback" not in said, said
        done = {job.index for job in task.jobs("done")}
        assert seen <= done, "a result was lost"
        seen = done

    def finished() -> bool:
        try:
            task.resubmit()
        except hb.StateError:
            pass
        return task.status().done == 60

    eventually(finished, "all jobs to be done")
    assert task.collect() == list(range(60))
    local.ended(task)
    names = [array.name for attempt in local.attempts(task) for array in attempt.arrays]
    assert len(names) == len(set(names))


def test_a_thread_that_waits_sees_a_resubmission(local: Local, task: hb.Task) -> None:
    mend(local)
    found: list[Any] = []
    task.resubmit()
    waiting = threading.Thread(target=lambda: found.append(local.wait(task)))
    waiting.start()
    waiting.join()
    assert found[0].done == 6
