"""Ctrl-C: what a command leaves, and how to go on."""

from __future__ import annotations

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
            "use.outcomes.collect",
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


def test_before_anything_was_begun() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EARLY, "list"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "hpcbatch: interrupted: nothing was begun\n"
