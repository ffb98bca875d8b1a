"""list, status, watch, jobs, logs, errors, clusters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from hpcbatch.words.errors import HpcbatchError
from hpcbatch.words.model import STATES
from tests.core import at_rest, eventually

from .conftest import Shell


def test_nothing_there_yet(hb: Shell) -> None:
    for command in ("list", "status"):
        result = hb(command)
        assert (result.exit_code, result.stdout) == (0, "")
        assert "There are no tasks" in result.stderr
        assert hb.json(command) == []
    assert "there is no task" in hb.fails(2, "status", "last")


def test_list_and_status_show_tables(hb: Shell) -> None:
    first, second = hb.map(), hb.map("echo")
    head, *rows = [line.split("\t") for line in hb.ok("list").splitlines()]
    assert head[:2] == ["ID", "JOBS"]
    assert [row[0] for row in rows] == [first, second]
    assert head[2:] == [*map(str.upper, STATES), "ATTEMPTS", "REASONS", "CLUSTER", "CREATED"]
    told = dict(zip(head, rows[0], strict=True))
    assert (told["DONE"], told["ERROR"], told["EXPIRED"]) == ("5", "1", "0")
    assert hb.ok("list", "--limit", "1").splitlines()[1].startswith(second)
    assert [row["id"] for row in hb.json("list")] == [first, second]
    assert hb.json("status")[0]["counts"]["error"] == 1
    assert hb("list", "--limit", "0").exit_code == 2


def test_a_damaged_task_does_not_hide_the_others(hb: Shell, own_registry: Path) -> None:
    first, second = hb.map("echo"), hb.map("echo")
    (own_registry / first / "task.json").write_text("{")
    result = hb("list", "--json")
    assert result.exit_code == 0
    assert [row["id"] for row in json.loads(result.stdout)] == [second]
    assert first in result.stderr
    assert "damaged" in hb.fails(5, "status", first)
    (own_registry / second / "task.json").write_text("{")
    result = hb("list")
    assert second in result.stderr
    assert "There are no tasks" not in result.stderr


def test_status_tells_by_its_exit_status(hb: Shell) -> None:
    good, bad = hb.map("echo"), hb.map()
    assert "100.0 %" in hb.ok("status", good)
    result = hb("status", bad)
    assert result.exit_code == 1
    assert "16.7 %" in result.stdout
    hb.fakes.hold()
    waiting = hb.map("echo")
    assert "queued" in hb.ok("status", waiting)
    assert hb.json("status", waiting)["resolved"] is False


def test_ids_may_be_shortened(hb: Shell) -> None:
    first, second = hb.map("echo"), hb.map("echo")
    for text, task in ((first[:8], first), (first, first), ("last", second)):
        assert hb.json("status", text)["id"] == task
    assert "no task 'zz'" in hb.fails(2, "status", "zz")
    assert "did you mean" in hb.fails(2, "status", first[1:])
    hb.fails(2, "status", "")


def test_jobs(hb: Shell) -> None:
    task = hb.map()
    head, *rows = [line.split("\t") for line in hb.ok("jobs", task).splitlines()]
    assert head == ["JOB", "STATE", "REASON", "ATTEMPT", "HOST", "ELAPSED", "CPU", "MEMORY"]
    assert rows[3][:4] == ["3", "error", "ValueError", "1"]
    assert len(rows) == 6
    assert [row["index"] for row in hb.json("jobs", task, "--state", "error,expired")] == [3]
    assert [row["index"] for row in hb.json("jobs", task, "--jobs", "1,3-4")] == [1, 3, 4]
    both = hb.json("jobs", task, "--jobs", "1,3", "--state", "error", "--state", "done")
    assert [row["state"] for row in both] == ["done", "error"]
    assert both[0]["elapsed"] >= 0
    assert "No job" in hb("jobs", task, "--state", "running").stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--state", "don"], "did you mean 'done'"),
        (["--jobs", "7-3"], "backwards"),
        (["--jobs", "6"], "no job 6"),
        (["--jobs", ""], "no list of numbers"),
        (["--jobs", "-3"], "'-3' is negative: numbers begin at 0"),
        (["--jobs", "1,2--3"], "'2--3' in '1,2--3' is negative"),
    ],
    ids=range(6),
)
def test_bad_choices_of_jobs(hb: Shell, options: list[str], told: str) -> None:
    assert told in hb.fails(2, "jobs", hb.map(), *options)


def test_errors_in_groups(hb: Shell) -> None:
    task = hb.map("simulate", "--arg", "x=3,1,3,3")
    text = hb.ok("errors", task)
    assert text == "3 jobs error: ValueError: three is bad\n  jobs 0,2-3\n  attempt 1\n"
    shown = hb.ok("errors", task, "--traceback")
    assert shown.count("Traceback") == 1
    (group,) = hb.json("errors", task)
    assert (group["count"], group["jobs"], group["type"]) == (3, "0,2-3", "ValueError")
    assert group["attempts"] == "1"
    assert "No job" in hb("errors", hb.map("echo")).stderr


def test_hostile_messages_do_not_reach_the_terminal(hb: Shell) -> None:
    (hb.work / "rude.py").write_text('def f(x):\n    raise OSError("a\\x1b[31m\\nb\\r\\x07c")\n')
    task = hb.map("f", "--arg", "x=1", file="rude.py")
    for command in ("errors", "jobs", "collect"):
        assert "\x1b" not in hb(command, task).output
    shown = hb.ok("errors", task).splitlines()
    assert shown[:3] == ["1 job error: OSError: a [31m", "    b", "     c"]
    assert hb.json("errors", task)[0]["message"] == "a\x1b[31m\nb\r\x07c"


def test_logs(hb: Shell) -> None:
    task = hb.map()
    assert hb.ok("logs", task, "2") == "x is 2\n"
    told = hb.json("logs", task, "2")
    assert (told["id"], told["job"], told["log"]) == (task, 2, "x is 2\n")
    assert (told["state"], told["reason"], told["attempt"]) == ("done", "", 1)
    assert hb.json("logs", task, "3")["reason"] == "ValueError"
    assert "x is 5" in hb.ok("logs", task, "5", "--follow")
    assert "no job 6" in hb.fails(2, "logs", task, "6")
    assert "one of 0 to 5" in hb.fails(2, "logs", task)
    assert hb.ok("logs", hb.map("simulate", "--arg", "x=2")) == "x is 2\n"
    hb.fails(2, "logs", task, "six")
    hb.fails(2, "logs", task, "6", "--follow")
    hb.fails(2, "logs", task, "1", "--follow", "--json")
    result = hb("logs", hb.map("echo"), "1")
    assert result.stdout == ""
    assert result.stderr.startswith("job 1 done, attempt 1, element 0 on ")
    assert "printed nothing" in result.stderr


def test_a_log_can_be_followed(hb: Shell) -> None:
    hb.fakes.hold()
    task = hb.map("simulate", "--arg", "x=1,2")
    follow = hb.start("logs", task, "1", "-f")
    script = hb.fakes.folder / "1.sh"
    subprocess.run(["bash", str(script)], check=True)
    out, _ = follow.communicate(timeout=30)
    assert follow.returncode == 0
    assert out == "loaded\nx is 1\nx is 2\n"


def test_watch_ends_with_the_task(hb: Shell) -> None:
    good, bad = hb.map("echo"), hb.map()
    assert "6 done" in hb.ok("watch", good)
    assert hb("watch", bad).exit_code == 1
    told = hb.json("watch", good)
    assert told["counts"]["done"] == 6
    assert told["rate"] is None  # nothing runs any more
    assert told["seconds_left"] is None


def test_watch_shows_changes(hb: Shell) -> None:
    hb.fakes.hold()
    task = hb.map("echo")
    script = hb.fakes.folder / "1.sh"
    watching = hb.start("watch", task, "--timeout", "60s")
    assert watching.stdout is not None
    first = watching.stdout.readline()
    subprocess.run(["bash", str(script)], check=True)
    lines = watching.communicate(timeout=90)[0].splitlines()
    assert watching.returncode == 0
    assert "6 queued" in first
    assert "Resources" in first
    assert "6 done" in lines[-1]
    assert len(lines) < 5


def test_watch_gives_up_in_time(hb: Shell) -> None:
    hb.fakes.hold()
    task = hb.map("echo")
    assert "it goes on" in hb.fails(3, "watch", task, "--timeout", "1s")
    assert "--timeout" in hb.fails(2, "watch", task, "--timeout", "soon")


def test_watching_what_was_never_submitted(hb: Shell) -> None:
    hb.fakes.refuse()
    hb("map", "sim.py:echo", "--arg", "x=1", "-c", "slurm")
    assert "hpcbatch resubmit" in hb.fails(3, "watch", "last")


@pytest.mark.parametrize("command", [["watch"], ["logs", "0", "-f"], ["map"]], ids=str)
def test_ctrl_c_leaves_the_task_running(hb: Shell, command: list[str]) -> None:
    hb.fakes.hold()
    argv = ["map", "sim.py:echo", "--arg", "x=1", "-c", "slurm", "--wait"]
    if command != ["map"]:
        task = hb.map("echo")
        argv = [command[0], task, *command[1:]]
    watching = hb.start(*argv)
    eventually(lambda: hb.tasks() and (hb.fakes.folder / "queue").read_text(), "a submission")
    eventually(lambda: at_rest(watching.pid), "it to wait")
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=30)
    assert watching.returncode == 130
    assert "goes on" in err
    assert "Traceback" not in err
    assert hb.json("status", "last")["counts"]["queued"] >= 1


def test_clusters(hb: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    (hb.work / "hpcbatch.yaml").write_text(
        "default: gpu\nclusters:\n  gpu: {scheduler: slurm, array_limit: 50}\n"
    )
    rows = {row["name"]: row for row in hb.json("clusters")}
    slurm = rows["slurm"]
    assert (slurm["scheduler"], slurm["here"], slurm["default"]) == ("slurm", True, False)
    assert (slurm["array_limit"], slurm["survey"]["version"]) == (1001, "slurm-wlm 22.05.8")
    assert slurm["survey"]["queues"][0]["name"] == "debug"
    assert (rows["gpu"]["array_limit"], rows["gpu"]["default"]) == (50, True)
    assert rows["local"]["here"] is True
    assert hb.ok("clusters").splitlines()[0].startswith("CLUSTER\tSCHEDULER")
    (hb.work / "hpcbatch.yaml").write_text("default: gpu\n")
    assert "unknown default cluster" in hb.fails(2, "clusters")
    monkeypatch.setenv("HPCBATCH_CONFIG", "/nowhere.yaml")
    assert "/nowhere.yaml" in hb.fails(2, "clusters")


def test_a_scheduler_that_does_not_answer_is_silent(hb: Shell) -> None:
    def answers() -> dict[str, bool | None]:
        return {row["name"]: row["answers"] for row in hb.json("clusters")}

    found = answers()
    assert (found["local"], found["slurm"], found["lsf"]) == (True, True, None)
    squeue = hb.fakes.folder / "squeue"  # what the others tell is kept for a day
    squeue.write_text("#!/bin/bash\necho unable to contact the controller >&2; exit 1\n")
    found = answers()
    assert (found["local"], found["slurm"], found["lsf"]) == (True, False, None)
    result = hb("clusters")
    here = dict(line.split("\t")[0:3:2] for line in result.stdout.splitlines()[:7])
    assert (here["local"], here["slurm"], here["lsf"]) == ("yes", "silent", "no")
    assert "slurm: squeue" in result.stderr


def test_a_configuration_is_made_from_what_is_here(hb: Shell) -> None:
    told = hb("clusters").stderr
    assert "'hpcbatch clusters init' writes" in told
    assert "slurm-wlm 22.05.8, arrays of up to 1,001 elements, accounting off" in told
    assert hb.ok("clusters", "init", "--output", "-") in told
    assert "hpcbatch.yaml was written" in hb("clusters", "init").stderr
    assert hb.json("config", "show")["file"].endswith("config/hpcbatch/hpcbatch.yaml")
    assert "there already" in hb.fails(2, "clusters", "init")
    assert "init' writes" not in hb("clusters").stderr
    assert hb.json("clusters", "init", "--output", "x.yaml") == {"file": str(hb.work / "x.yaml")}
    assert "cannot be written" in hb.fails(2, "clusters", "init", "--output", "x.yaml/y.yaml")


def test_a_default_that_is_not_clear(hb: Shell) -> None:
    for name in ("qsub", "qstat", "qdel", "qconf"):
        os.symlink("/bin/true", hb.fakes.folder / name)
    result = hb("clusters")
    assert result.exit_code == 0
    assert "There is no default" in result.stderr
    assert "name one" in hb.fails(2, "map", "sim.py:echo", "--arg", "x=1")


def test_an_error_of_our_own_is_told_in_a_sentence(
    hb: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("\x1b[31mno")

    monkeypatch.setattr("hpcbatch.use.service.status", broken)
    task = hb.map("echo")
    told = hb.fails(70, "status", task)
    assert "internal error: RuntimeError" in told
    assert "\x1b" not in told
    assert "Traceback" in hb("status", task, "--debug").stderr
    monkeypatch.setattr("hpcbatch.use.service.status", lambda *_: _raise(HpcbatchError("odd")))
    assert "odd" in hb.fails(1, "status", task)


def test_an_error_of_the_disk_names_the_file(hb: Shell) -> None:
    task = hb.map("echo")
    path = Path(os.environ["HPCBATCH_ROOT"]) / task / "status.json"
    path.unlink(missing_ok=True)
    path.mkdir()
    told = hb.fails(5, "status", task)
    assert str(path) in told
    assert "Is a directory" in told


def _raise(error: Exception) -> None:
    raise error


def test_config_show_tells_where_settings_come_from(
    hb: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("clusters:\n  big: {extends: local, resources: {memory: 8GB}}\n")
    monkeypatch.setenv("HPCBATCH_CONFIG", str(path))
    told = json.loads(hb.ok("config", "show", "big", "--json"))
    assert told["file"] == str(path)
    found = {row["setting"]: (row["value"], row["origin"]) for row in told["settings"]}
    assert found["resources.memory"] == ("8GB", f"{path}:2")
    assert found["scheduler"] == ("local", "built in")
    assert "resources.memory" in hb.ok("config", "show")
    path.write_text("default: lsf\n")
    assert hb.json("config", "show")["default"] == "lsf"
    assert f"Read from {path}. The default is lsf." in hb("config", "show").stderr


@pytest.mark.parametrize(
    "argv",
    [
        ("list",),
        ("status",),
        ("clusters",),
        ("clusters", "init", "--output", "-"),
        ("config", "show"),
        ("doctor", "--no-node"),
        ("keys", "list"),
        ("pool", "list"),
        ("script", "sim.py:echo", "--arg", "x=1", "-c", "slurm"),
        ("server", "status"),
        ("site", "list"),
    ],
    ids=" ".join,
)
def test_who_only_looks_makes_no_folder(
    hb: Shell, argv: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = hb.work / "absent" / "registry"
    monkeypatch.setenv("HPCBATCH_ROOT", str(root))
    result = hb(*argv)
    assert result.exit_code in (0, 1, 3), result.output
    assert "Traceback" not in result.output
    assert not root.parent.exists()
