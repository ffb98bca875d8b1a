"""tend, and the options of what is submitted again, on this machine as the cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import hpcbatch as hb
from hpcbatch.cli import tending
from hpcbatch.cli.common import Invocation
from hpcbatch.cli.main import main
from hpcbatch.registry.attempts import read_attempts
from hpcbatch.words.layout import TaskLayout
from tests.core import eventually
from tests.local import Local, local

from .conftest import PROGRAM, Shell

__all__ = ["local"]

SOURCE = """
import os

def job(k, scale=1):
    with open("log", "a") as file:
        file.write(f"{k}\\n")
    if k == 0 and not os.path.exists("mended"):
        os._exit(3)
    return k * scale

def better(k, scale=1):
    return 100 + k * scale

def error(k, scale=1):
    raise ValueError(k)
"""


@pytest.fixture
def sim(local: Local, hb: Shell) -> Shell:
    """The command line in a folder with ``sim.py``; ``local`` is the cluster."""
    (hb.work / "sim.py").write_text(SOURCE)
    return hb


def submit(sim: Shell, *options: str, function: str = "job") -> str:
    argv = ("map", f"sim.py:{function}", "--arg", "k=range:0:3", "-c", "local", "--chunk", "1")
    return sim.ok(*argv, "--const", "scale=2", *options).strip()


def watching(sim: Shell) -> subprocess.Popen[str]:
    argv = ["timeout", "90", *PROGRAM, "tend", "--every", "1s"]  # so that no line is waited for
    both: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(argv, text=True, cwd=sim.work, **both)
    sim.started.append(process)
    return process


def attempts(task: str) -> list[Any]:
    return read_attempts(TaskLayout(os.environ["HPCBATCH_ROOT"], task))


def tend_until_idle(sim: Shell, task: str, *more: str) -> str:
    return sim.ok("tend", task, "--every", "1s", *more)


def test_tend_retries_and_leaves_when_all_is_resolved(sim: Shell) -> None:
    task = submit(sim, "--retries", "1", "--notify", f"cat >>{sim.work}/told")
    told = tend_until_idle(sim, task)
    assert [attempt.retry for attempt in attempts(task)] == [0, 1]
    last = told.splitlines()[-1]
    assert task in last
    assert "2 done, 1 expired" in last
    assert json.loads((sim.work / "told").read_text())["id"] == task


def test_tend_once_looks_once(sim: Shell) -> None:
    task = submit(sim, "--retries", "1")
    eventually(lambda: retrying(sim, task) == 1, "a retry to be due")
    sim.ok("tend", "--once")
    assert len(attempts(task)) == 2
    (line,) = sim.ok("tend", task, "--once", "--json").splitlines()
    assert json.loads(line)["id"] == task


def retrying(sim: Shell, task: str) -> int:
    return int(json.loads(sim("status", task, "--json").stdout)["retrying"])


def test_tend_without_an_id_sees_what_is_submitted_later_and_again(
    sim: Shell, local: Local
) -> None:
    at_rest = submit(sim)
    tend_until_idle(sim, at_rest)
    watched = watching(sim)
    lines = iter(watched.stdout.readline, "")  # type: ignore[union-attr]
    assert next(lines).startswith("already at rest: 1 task, 1 of them with")
    first = submit(sim)

    def wait_for(*words: str) -> None:
        for line in lines:
            assert at_rest not in line
            if all(word in line for word in words):
                return
        raise AssertionError(f"{words} were not told")

    wait_for(first, "2 done, 1 expired")
    (sim.work / "mended").touch()
    second = submit(sim)
    wait_for(second, "3 done")
    sim.ok("resubmit", first)
    wait_for(first, "3 done")
    wait_for(hb.create(abs, [1]).id, "1 defined")  # at rest when it is first seen
    watched.terminate()
    watched.wait(30)


def test_tend_counts_what_is_at_rest_when_it_begins(sim: Shell) -> None:
    first, second, third = submit(sim), submit(sim), submit(sim)
    tend_until_idle(sim, first, second, third)
    (sim.work / "mended").touch()
    sim.ok("resubmit", third, "--wait")
    watched = watching(sim)
    assert watched.stdout is not None
    told = watched.stdout.readline()
    assert told.startswith("already at rest: 3 tasks, 2 of them with jobs that have no result (hpc")
    sim.ok("resubmit", second)
    assert second in watched.stdout.readline()
    with_json = sim.start("tend", "--json", "--every", "1h").stdout
    assert {json.loads(with_json.readline())["id"] for _ in range(3)} == {first, second, third}  # type: ignore[union-attr]
    ended = dict.fromkeys(line.split()[2] for line in sim.ok("tend", "--once").splitlines())
    assert list(ended) == sorted([first, second, third]), "who looks once wants to know each"
    watched.terminate()
    watched.wait(30)


def test_tend_sees_what_is_being_submitted_while_it_looks(sim: Shell) -> None:
    task = submit(sim)
    layout = TaskLayout(os.environ["HPCBATCH_ROOT"], task)
    record, aside = Path(layout.attempt(1).record), sim.work / "attempt.json"
    record.rename(aside)  # the folder of an attempt is there first
    watched = watching(sim)
    assert watched.stdout is not None
    assert "already at rest: 1 task" in watched.stdout.readline()
    aside.rename(record)
    assert any("2 done, 1 expired" in line for line in iter(watched.stdout.readline, ""))
    watched.terminate()
    watched.wait(30)


def test_tend_goes_on_beside_a_task_that_is_removed_or_damaged(sim: Shell) -> None:
    good, bad = submit(sim), submit(sim)
    eventually(lambda: "expired" in sim("status", bad).stdout)
    Path(TaskLayout(os.environ["HPCBATCH_ROOT"], bad).spec).write_text("{")
    result = sim("tend", "--once")
    assert result.exit_code == 0
    assert good in result.stdout
    assert "damaged" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["tend", "nowhere"], "there is no task 'nowhere'"),
        (["tend", "--every", "soon"], "'soon' is not understood"),
        (["tend", "--every", "0s"], "not longer than nothing"),
    ],
)
def test_tend_what_cannot_be_right(sim: Shell, argv: list[str], told: str) -> None:
    assert told in " ".join(sim.fails(2, *argv).split())


def test_tend_ended_by_ctrl_c(sim: Shell) -> None:
    task = submit(sim)
    tending = sim.start("tend", "--every", "1h")
    assert task in tending.stdout.readline()  # type: ignore[union-attr]
    tending.send_signal(signal.SIGINT)
    try:
        tending.wait(5)
    except subprocess.TimeoutExpired:  # Python drops what is raised in a finalizer
        tending.send_signal(signal.SIGINT)
    said = tending.communicate(timeout=30)[1]
    assert tending.returncode == 130
    assert "interrupted: the tasks go on" in said
    assert "Traceback" not in said


def test_options_arrive(sim: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = submit(sim), submit(sim, function="better")
    monkeypatch.setenv("HERE", "1")
    task = submit(
        sim, "--retries", "2", "--retry-on", "timeout, lost", "--isolate", "--job-timeout", "2m",
        "--retry-scale", "memory=2,walltime=1.5", "--after", first, "--after-ok", second,
        "--notify", "true", "--env", "HERE", "--env", "THERE=a=b c",
    )  # fmt: skip
    (attempt,) = attempts(task)
    options = attempt.options
    assert (options.retries, options.retry_on) == (2, ("timeout", "lost"))
    assert options.retry_scale == {"memory": 2, "walltime": 1.5}
    assert (options.isolate, options.job_timeout, options.notify) == (True, 120, "true")
    assert options.after == (first,)
    assert options.env == {"HERE": "1", "THERE": "a=b c"}
    sim("resubmit", task, "--revoke", "--no-isolate", "--retries", "0")
    options = attempts(task)[-1].options
    assert (options.isolate, options.retries, options.after) == (False, 0, ())


def test_last_is_the_task_before(sim: Shell) -> None:
    first = submit(sim)
    (attempt,) = attempts(submit(sim, "--after", "last"))
    assert attempt.options.after == (first,)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--retries", "-1"], "retries -1"),
        (["--retries", "many"], "--retries"),
        (["--retry-on", "timeuot"], "did you mean 'timeout'"),
        (["--retry-on", ""], "unknown reason ''"),
        (["--retry-scale", "memory"], "no list such as memory=2"),
        (["--retry-scale", "memory=two"], "no list such as memory=2"),
        (["--retry-scale", "memroy=2"], "did you mean 'memory'"),
        (["--retry-scale", "memory=0.1"], "is not 1 to 1000"),
        (["--job-timeout", "soon"], "job_timeout 'soon'"),
        (["--after", "nowhere"], "there is no task 'nowhere'"),
        (["--after-ok", ""], "no text"),
        (["--notify", " "], "notify ' ' is no text"),
        (["--env", "NOT_HERE"], "--env NOT_HERE has no value, and there is no such variable here"),
        (["--env", "A B=1"], "'A B' is no name of an environment variable"),
    ],
    ids=range(14),
)
def test_options_that_cannot_be_right_store_nothing(
    sim: Shell, options: list[str], told: str
) -> None:
    argv = ("map", "sim.py:job", "--arg", "k=1", "-c", "local", *options)
    assert told in " ".join(sim.fails(2, *argv).split())
    assert sim.tasks() == []


def test_resubmit_with_a_mended_function(sim: Shell) -> None:
    task = submit(sim, function="error")
    assert sim("watch", task).exit_code == 1
    sim.ok("resubmit", task, "--function", "sim.py:better", "--wait")
    rows = sim.json("collect", task)
    assert [row["result"] for row in rows] == [100, 102, 104]


@pytest.mark.filterwarnings("ignore::hpcbatch.CodeWarning")  # all commands are of one process here
def test_a_file_that_was_mended_is_not_what_runs(sim: Shell) -> None:
    (sim.work / "beside.py").write_text("FACTOR = 0\n")
    (sim.work / "sim.py").write_text(
        "import beside\ndef job(k, scale):\n    return 1 / beside.FACTOR\n"
    )
    task = submit(sim)
    assert sim("watch", task).exit_code == 1
    assert "Changed" not in sim("resubmit", task, "--wait").stderr
    (sim.work / "beside.py").write_text("FACTOR = 2\n")
    again = sim("resubmit", task, "--wait")
    assert "Changed since the task was made: beside.py. Its jobs run what was sent" in again.stderr
    assert again.exit_code == 1
    mended = sim("resubmit", task, "--function", "sim.py:job", "--wait")
    assert "Changed" not in mended.stderr
    assert mended.exit_code == 0


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("sim.py:bettre", "did you mean 'better'"),
        ("sim.py", "names no function"),
        ("other.py:f", "other.py"),
    ],
)
def test_a_mended_function_that_cannot_be(sim: Shell, function: str, told: str) -> None:
    task = submit(sim, function="error")
    sim("watch", task)
    assert told in " ".join(sim.fails(2, "resubmit", task, "--function", function).split())
    assert len(attempts(task)) == 1


def test_of_a_running_one_and_of_a_finished_one(sim: Shell, local: Local) -> None:
    (sim.work / "sim.py").write_text(
        "import os, time\n"
        f"def job(k, scale):\n    while not os.path.exists({local.gate!r}): time.sleep(0.02)\n"
    )
    task = submit(sim)
    told = sim.fails(3, "resubmit", task)
    assert "3 jobs" in told
    assert "--revoke" in told or "revoke" in told
    sim.ok("resubmit", task, "--jobs", "2", "--revoke")
    local.open_gate()
    assert sim("watch", task).exit_code == 0
    assert len(attempts(task)) == 2
    result = sim("resubmit", task)
    assert result.exit_code == 0
    assert "nothing to submit" in result.stderr
    result = sim("cancel", task)
    assert result.exit_code == 0
    assert "Nothing was left to cancel" in result.stderr


def test_one_that_shares_its_process_is_not_said_to_be_canceled(sim: Shell, local: Local) -> None:
    (sim.work / "sim.py").write_text(
        "import os, time\n"
        f"def job(k, scale):\n    while not os.path.exists({local.gate!r}): time.sleep(0.02)\n"
    )
    task = submit(sim, "--chunk", "3")
    eventually(lambda: sim.json("status", task)["counts"]["running"] == 1)
    told = sim.json("cancel", task, "--jobs", "0,2", status=3)
    assert (told["canceled_now"], told["objections"]) == (1, [])
    assert "job 0 runs in one process" in told["left"]
    told = sim.fails(3, "cancel", task, "--jobs", "0")
    assert "Nothing was canceled." in told
    assert "to ask it again" not in told
    local.open_gate()
    sim("watch", task)
    assert sim.json("jobs", task)[0]["state"] == "done"


def test_cancel_by_number(sim: Shell, local: Local) -> None:
    (sim.work / "sim.py").write_text(
        "import os, time\n"
        f"def job(k, scale):\n    while not os.path.exists({local.gate!r}): time.sleep(0.02)\n"
    )
    task = submit(sim)
    told = sim.json("cancel", task, "--jobs", "0,2")
    assert (told["canceled_now"], told["objections"], told["left"]) == (2, [], "")
    assert "there is no job 3" in sim.fails(2, "cancel", task, "--jobs", "1-3")
    assert "no list of numbers" in sim.fails(2, "cancel", task, "--jobs", "one")
    local.open_gate()
    assert sim("watch", task).exit_code == 1
    counts = json.loads(sim("status", task, "--json").stdout)["counts"]
    assert (counts["done"], counts["canceled"]) == (1, 2)


def test_tend_once_tells_of_a_site_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        tends_itself = False

        def statuses(self, ids: Any, tracks: bool, begins: bool) -> Any:
            raise hb.SiteUnreachable("no route to login")

    monkeypatch.setattr(Invocation, "site", lambda self: Away())
    done = CliRunner().invoke(main, ["tend", "--once"])
    assert done.exit_code == 6
    assert "no route to login" in done.stderr


def test_tend_tells_once_what_is_wrong_with_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[hb.HpcbatchError] = [
        hb.DamagedFile("task.json is damaged"),
        hb.DamagedFile("task.json is damaged"),
        hb.SiteUnreachable("no route to login"),
        hb.DamagedFile("task.json is damaged"),
        hb.NotFound("there is no task 'a'"),
    ]

    class Site:
        tends_itself = False

        def find(self, text: str) -> str:
            return text

        def statuses(self, ids: Any, tracks: bool, begins: bool) -> Any:
            found = looks.pop(0)
            if isinstance(found, hb.SiteUnreachable):
                raise found
            return [("a", found)]

    monkeypatch.setattr(Invocation, "site", lambda self: Site())
    monkeypatch.setattr(tending.time, "sleep", lambda seconds: None)
    done = CliRunner().invoke(main, ["tend", "a"])
    assert done.exit_code == 0
    assert done.stderr.splitlines() == [
        "hpcbatch: a: task.json is damaged",
        "hpcbatch: no route to login",
        "hpcbatch: a was removed",
    ]
