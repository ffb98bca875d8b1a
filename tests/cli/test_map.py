"""map, script and resubmit."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from hpcbatch.registry.attempts import read_attempts
from hpcbatch.words.layout import TaskLayout

from .conftest import Shell


def test_map_prints_the_id_alone(hb: Shell) -> None:
    result = hb("map", "sim.py:simulate", "--arg", "x=range:0:6", "--const", "y=3", "-c", "slurm")
    assert result.exit_code == 0, result.output
    (task,) = hb.tasks()
    assert result.stdout == f"{task}\n"
    assert "6 jobs in 6 elements on slurm" in result.stderr
    assert hb.json("collect", task, "--on-error", "return")[2]["result"] == {"x": 2, "square": 7}


def test_map_in_json(hb: Shell) -> None:
    told = hb.json("map", "sim.py:echo", "--arg", "x=1,2", "-c", "slurm", "--name", "Two words")
    assert told["id"].endswith("__Two-words")
    expected = {"njobs": 2, "jobs": 2, "elements": 2, "attempt": 1, "arrays": ["1"]}
    assert {name: told[name] for name in expected} == expected
    assert Path(told["folder"]).is_dir()


def test_map_waits_and_ends_with_what_came(hb: Shell) -> None:
    argv = ("map", "sim.py:simulate", "-c", "slurm", "--chunk", "9", "--wait", "--arg")
    assert "done" in hb.ok(*argv, "x=1,2")
    result = hb(*argv, "x=2,3")
    assert result.exit_code == 1
    assert "error" in result.stdout
    told = hb.json(*argv, "x=1,2")
    assert told["status"]["counts"]["done"] == 2


def test_a_program(hb: Shell) -> None:
    (hb.work / "p.csv").write_text('x,name\n0.10,"it\'s; $(touch pwned)"\n1e5,b\n')
    task = hb.ok(
        "map", "--shell", "echo {x} {name} {index} {unit}; exit {index}", "-c", "slurm",
        "--args-file", "p.csv", "--const", "unit=µm", "--chunk", "9",
    ).strip()  # fmt: skip
    rows = hb.json("collect", task, "--on-error", "return")
    assert rows[0]["result"] == {"status": 0, "output": "0.10 it's; $(touch pwned) 0 µm\n"}
    assert "exit status 1" in rows[1]["error"]["message"]
    assert not list(hb.work.glob("pwned"))
    assert hb.json("status", task, status=1)["counts"]["error"] == 1


def test_types_of_values_arrive(hb: Shell) -> None:
    task = hb.map("echo", "--arg", 'x=1,2.5,true,null,a b,"7"', "--const", "k=[1, 2]")
    rows = [row["result"] for row in hb.json("collect", task)]
    assert [row[0] for row in rows] == [1, 2.5, True, None, "a b", "7"]
    assert rows[0][1] == {"k": [1, 2]}


def test_a_grid(hb: Shell) -> None:
    task = hb.map("echo", "--arg", "x=1,2", "--arg", "y=3,4", "--grid")
    assert hb.json("status", task)["njobs"] == 4


def test_a_hostile_name_breaks_nothing(hb: Shell, hostile_name: str) -> None:
    task = hb.map("echo", "--name", hostile_name, "--arg", "x=1,2")
    status = hb.json("status", task)
    assert status["name"] == hostile_name
    assert status["counts"]["done"] == 2
    for command in (["status", task], ["list"], ["watch", task], ["jobs", task]):
        shown = hb.ok(*command)
        assert "\x1b" not in shown
        assert all(line.isprintable() for line in shown.replace("\t", " ").splitlines())
    assert not list(hb.work.glob("pwned"))


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["sim.py:simulat", "--arg", "x=1"], "did you mean 'simulate'"),
        (["sim.py", "--arg", "x=1"], "names no function"),
        (["sim.py:", "--arg", "x=1"], "names no function"),
        (["sim.py:helper", "--arg", "x=1"], "no function 'helper'"),
        (["sin.py:simulate", "--arg", "x=1"], "did you mean 'sim.py'"),
        (["nowhere/sim.py:simulate", "--arg", "x=1"], "no folder nowhere"),
        ([".:simulate", "--arg", "x=1"], "is a folder"),
        (["sim.txt:simulate", "--arg", "x=1"], "NAME.py"),
        (["a.b.py:f", "--arg", "x=1"], "without more dots"),
        (["json.py:f", "--arg", "x=1"], "rename it"),
        (["broken.py:f", "--arg", "x=1"], "broken.py cannot be loaded: SyntaxError"),
        (
            ["raises.py:f", "--arg", "x=1"],
            "ZeroDivisionError: division by zero (raises.py, line 2)",
        ),
        (["exits.py:f", "--arg", "x=1"], "SystemExit: 3 (put what reads arguments, or ends, under"),
        (["argues.py:f", "--arg", "x=1"], "SystemExit: 2 (put what reads arguments"),
        (["sim.py:simulate"], "there are no inputs"),
        (["sim.py:simulate", "--arg", "z=1"], "does not take these inputs: it has no argument 'z'"),
        (["sim.py:simulate", "--arg", "x=1,2", "--arg", "y=1"], "unequal length"),
        (["sim.py:simulate", "--arg", "x=1", "--const", "x=1"], "is an input as well"),
        (["sim.py:simulate", "--arg", "x=1", "-c", "slrum"], "did you mean 'slurm'"),
        (["sim.py:simulate", "--arg", "x=1", "-c", "slurm", "--memory", "lots"], "memory 'lots'"),
        (["sim.py:simulate", "--arg", "x=1", "-c", "slurm", "-t", "soon"], "walltime 'soon'"),
        (["sim.py:simulate", "--arg", "x=1", "-c", "slurm", "--cpus", "0"], "cpus '0'"),
        (["sim.py:simulate", "--arg", "x=1", "-c", "slurm", "--chunk", "0"], "chunk 0"),
        (["sim.py:simulate", "--arg", "x=1", "-c", "slurm", "--chunk", "few"], "chunk 'few'"),
        (["sim.py:simulate", "--arg", "x=1", "-c", "slurm", "--throttle", "0"], "throttle 0"),
        (["sim.py:simulate", "--shell", "echo"], "both given"),
        (["--arg", "x=1"], "name a function"),
        (["-c", "nowhere"], "name a function"),
        (["--shell", " ", "--arg", "x=1"], "--shell is empty"),
        (["--shell", "echo {y}", "--arg", "x=1"], "{y}"),
        (["--shell", "echo {x", "--arg", "x=1"], "plain braces"),
        (["--shell", "echo ${HOME} {x}", "--arg", "x=1"], "{{ and }} are plain braces"),
        (["--shell", "echo", "--arg", "x=1"], "does not use the input 'x'"),
        (["sim.py:simulate", "--args-file", "empty.csv"], "holds no rows"),
        (["sim.py:simulate", "--arg", "x=1", "--seed", "many"], "--seed"),
        (["sim.py:simulate", "--agr", "x=1"], "--arg"),
        (["--arg", "x=1", "--with-project", "sim.py:f"], "--with-project took 'sim.py:f'"),
        (["sim.py:simulate", "--arg", "x=1", "--with-project=none"], "'none' is no folder"),
        (["--shell", "ls {x}", "--arg", "x=1", "--with-project"], "goes with a function"),
    ],
    ids=range(39),
)
def test_what_cannot_be_right_is_told_and_stores_nothing(
    hb: Shell, argv: list[str], told: str
) -> None:
    sources = {"sim.txt": "", "a.b.py": "", "json.py": "", "broken.py": "def", "empty.csv": "x\n"}
    sources |= {"raises.py": "\n1 / 0", "exits.py": "raise SystemExit(3)"}
    parser = "import argparse\np = argparse.ArgumentParser()\np.add_argument('n')\np.parse_args()"
    sources |= {"argues.py": parser}
    for name, text in sources.items():
        (hb.work / name).write_text(text)
    cluster = [] if "-c" in argv else ["-c", "slurm"]
    for command in ("map", "script"):
        assert told in " ".join(hb.fails(2, command, *argv, *cluster).split())
        assert hb.tasks() == []
        assert hb.fakes.submissions == 0


def test_a_file_of_a_package_keeps_its_relative_imports(hb: Shell) -> None:
    package = hb.work / "lab" / "models"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package.parent / "units.py").write_text("SCALE = 10\n")
    (package / "run.py").write_text("from ..units import SCALE\ndef f(x):\n    return x * SCALE\n")
    task = hb.map("f", "--arg", "x=1,2", file="lab/models/run.py")
    assert [row["result"] for row in hb.json("collect", task)] == [10, 20]


def test_modules_of_a_project_are_found_here_as_on_the_nodes(hb: Shell) -> None:
    (hb.work / "pyproject.toml").touch()
    for name, text in {
        "src/shapes/__init__.py": "SIDES = 4\n",
        "top.py": "MORE = 100\n",
        "scripts/run.py": "import shapes, top\ndef f(x): return shapes.SIDES * x + top.MORE\n",
    }.items():
        (hb.work / name).parent.mkdir(parents=True, exist_ok=True)
        (hb.work / name).write_text(text)
    asked = ("map", "scripts/run.py:f", "--arg", "x=1,2", "-c", "slurm")
    made = hb.program(*asked, "--with-project")
    assert made.returncode == 0, made.stderr
    task = made.stdout.strip()
    assert [row["result"] for row in hb.json("collect", task)] == [104, 108]
    failed = hb.map("simulate", "--arg", "x=3", "--name", "failed")
    mended = ("--function", "scripts/run.py:f", "--with-project")
    done = hb.program("resubmit", failed, *mended)
    assert done.returncode == 0, done.stderr
    assert [row["result"] for row in hb.json("collect", failed)] == [112]


def test_a_refused_submission_keeps_the_task(hb: Shell) -> None:
    hb.fakes.refuse()
    asked = ("--chunk", "9", "--isolate", "--memory", "300MB", "--queue", "short", "--retries", "2")
    told = hb.fails(4, "map", "sim.py:echo", "--arg", "x=1,2", "-c", "slurm", *asked)
    (task,) = hb.tasks()
    assert "invalid partition" in told
    assert f"hpcbatch resubmit {task}, with other options, or" in told
    assert f"hpcbatch remove {task}" in told
    hb.fakes.obey()
    hb.ok("resubmit", task, "--queue", "")
    assert hb.json("status", task)["counts"]["done"] == 2
    first, second = read_attempts(TaskLayout(os.environ["HPCBATCH_ROOT"], task))
    assert second.resources == {k: v for k, v in first.resources.items() if k != "queue"}
    assert second.resources["memory"] == 300 << 20
    assert second.options == first.options


def test_ctrl_c_in_a_submission_says_how_to_go_on(hb: Shell) -> None:
    hb.fakes.interrupt()
    ended = hb.program("map", "sim.py:echo", "--arg", "x=1,2", "-c", "slurm")
    (task,) = hb.tasks()
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr
    assert f"hpcbatch status {task}" in ended.stderr


def test_what_was_put_off_is_given_its_options_again(hb: Shell) -> None:
    (hb.work / "hpcbatch.yaml").write_text("clusters: {slurm: {patience: 0}}")
    scontrol = hb.fakes.folder / "scontrol"  # without its limits there is no attempt yet
    scontrol.write_text("#!/bin/bash\necho it is away >&2; exit 1\n")
    told = hb.fails(4, "map", "sim.py:echo", "--arg", "x=1", "-c", "slurm", "--memory", "1GB")
    (task,) = hb.tasks()
    assert f"hpcbatch resubmit {task}, with these options once more" in told


def test_script_stores_and_submits_nothing(hb: Shell) -> None:
    argv = ("sim.py:simulate", "--arg", "x=range:0:50", "-c", "slurm", "--chunk", "10", "-m", "2GB")
    text = hb.ok("script", *argv, "--extra", "--hint=nomultithread", "--throttle", "3")
    assert "#SBATCH --array=0-4%3" in text
    assert "#SBATCH --mem=2097152K" in text
    assert "#SBATCH --hint=nomultithread" in text
    assert hb.tasks() == []
    assert hb.fakes.submissions == 0
    assert "--array=0-4" in hb.json("script", *argv)["script"]


def test_resubmit_runs_only_what_has_no_result(hb: Shell) -> None:
    task = hb.map()
    told = hb.json("resubmit", task, "--only", "error")
    assert (told["attempt"], told["jobs"]) == (2, 1)
    assert hb("resubmit", task, "--jobs", "1,3").exit_code == 0
    assert [row["attempt"] for row in hb.json("jobs", task)] == [1, 1, 1, 3, 1, 1]
    assert hb("resubmit", task, "--wait").exit_code == 1


@pytest.mark.parametrize("options", [[], ["--only", "expired"], ["--jobs", "0"]], ids=str)
def test_resubmit_of_a_finished_task_does_nothing(hb: Shell, options: list[str]) -> None:
    task = hb.map("echo")
    result = hb("resubmit", task, *options)
    assert (result.exit_code, result.stdout) == (0, f"{task}\n")
    assert "nothing to submit" in result.stderr
    assert hb.json("resubmit", task)["attempt"] is None
    assert hb.fakes.submissions == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--only", "eror"], "did you mean 'error'"),
        (["--jobs", "3,x"], "no list of numbers"),
        (["--jobs", "9"], "no job 9"),
        (["--cluster", "nowhere"], "unknown cluster"),
        (["--memory", "much"], "memory 'much'"),
        (["--with-project"], "name the function as well"),
    ],
    ids=range(6),
)
def test_bad_resubmissions(hb: Shell, options: list[str], told: str) -> None:
    task = hb.map()
    assert told in hb.fails(2, "resubmit", task, *options)
    assert hb.fakes.submissions == 1


def test_resubmit_is_refused_while_jobs_are_alive(hb: Shell) -> None:
    hb.fakes.hold()
    task = hb.map()
    assert "wait for them, cancel them" in hb.fails(3, "resubmit", task)


def test_what_is_printed_to_go_on_leads_to_the_same_registry(hb: Shell, tmp_path: Path) -> None:
    other = str(tmp_path / "an other")
    made = hb("map", "sim.py:simulate", "--arg", "x=range:0:6", "-c", "slurm", "--root", other)
    task = made.stdout.strip()
    watch = next(line for line in made.stderr.splitlines() if "hpcbatch watch" in line)
    argv = shlex.split(watch.partition("See: hpcbatch ")[2])
    assert argv == ["watch", task, "--root", other]
    watched = hb(*argv)
    assert watched.exit_code == 1
    errors = shlex.split(watched.stderr.splitlines()[-1].partition("Why jobs failed: hpcbatch ")[2])
    told = hb(*errors)
    assert "1 job error: ValueError" in told.stdout
    printed, where = told.stderr.splitlines()
    assert hb(*shlex.split(printed.partition("printed: hpcbatch ")[2])).exit_code == 0
    assert "Traceback" in hb(*shlex.split(where.partition("happened: hpcbatch ")[2])).stdout


def test_an_option_for_the_registry(hb: Shell, tmp_path: Path) -> None:
    other = tmp_path / "other"
    argv = ("map", "sim.py:echo", "--arg", "x=1", "-c", "slurm")
    first = hb.ok("--root", str(other), *argv).strip()
    second = hb.ok(*argv, "--root", str(other)).strip()
    assert {first, second} == {row["id"] for row in hb.json("list", "--root", str(other))}
    assert hb.tasks() == []
    assert hb("--root", "", "list").exit_code == 2
    assert hb("list", "--root", "").exit_code == 2


def test_a_registry_that_cannot_be_used(hb: Shell, tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    os.chmod(open_to_all, 0o777)
    assert "others can write" in hb.fails(5, "list", "--root", str(open_to_all))
    (tmp_path / "file").touch()
    hb.fails(5, "list", "--root", str(tmp_path / "file" / "below"))


def test_errors_in_json(hb: Shell) -> None:
    result = hb("status", "nothing", "--json")
    assert result.exit_code == 2
    told = json.loads(result.stdout)
    assert told["error"] == "NotFound"
    assert "nothing" in told["message"]
