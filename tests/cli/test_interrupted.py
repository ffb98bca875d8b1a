"""Ctrl-C: what a command leaves, and how to go on."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NoReturn

import pytest

from .conftest import Shell

WORK = ("sim.py:echo", "--arg", "x=1", "-c", "slurm")

EARLY = """
import sys

class Interrupts:
    def find_spec(self, name, *_):
        if name == "hpcbatch.cli.main":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupts())
from hpcbatch.cli.entry_point import run
run()
"""
LATE = """
import sys
from hpcbatch.cli.entry_point import run
from hpcbatch.sites.here import Here

def interrupted(self):
    sys.stdout.write("a line that is not flushed")
    raise KeyboardInterrupt

Here.specs = interrupted
run()
"""


def interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("argv", "verb", "told"),
    [
        (
            ["map", *WORK],
            "sites.here.Here.checked",
            "nothing was submitted",
        ),
        (["map", *WORK], "sites.here.Here.create", "nothing was submitted"),
        (["resubmit", "last"], "sites.here.Here.spec", "nothing was submitted"),
        (["resubmit", "last"], "sites.here.Here.resubmit", "hpcbatch resubmit {task} goes on"),
        (["cancel", "last", "--yes"], "use.cancel.cancel", "hpcbatch cancel {task} goes on"),
        (["remove", "last", "--yes"], "use.remove.remove", "whether {task} is still there"),
        (
            ["collect", "last", "-o", "x.json"],
            "use.collect.collect",
            "nothing was written to x.json",
        ),
        (["tend", "--once"], "use.service.track", "the tasks go on"),
    ],
)
def test_what_is_left_is_told(
    hb: Shell, monkeypatch: pytest.MonkeyPatch, argv: list[str], verb: str, told: str
) -> None:
    task = hb.map("echo", "--arg", "x=1")
    monkeypatch.setattr(f"hpcbatch.{verb}", interrupted)
    said = hb.fails(130, *argv)
    assert "interrupted: " in said
    assert told.format(task=task) in said
    assert "Traceback" not in said
    assert not (hb.work / "x.json").exists()


def test_a_cancellation_of_some_jobs_goes_on_with_those(
    hb: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = hb.map("echo", "--arg", "x=1,2")
    monkeypatch.setattr("hpcbatch.use.cancel.cancel", interrupted)
    told = hb.fails(130, "cancel", task, "--jobs", "0-1", "--yes")
    assert f"hpcbatch cancel {task} --jobs 0-1 goes on" in told


def test_the_reader_of_a_pipe_has_ended_as_well(hb: Shell) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    argv = [sys.executable, "-c", LATE, "list"]
    done = subprocess.run(argv, stdout=writing, stderr=subprocess.PIPE, env=env, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (130, b"hpcbatch: interrupted\n")


def test_before_anything_was_begun() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EARLY, "list"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "hpcbatch: interrupted: nothing was begun\n"
