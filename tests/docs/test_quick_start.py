"""The quick start, typed as the README has it, on a real Slurm and a real Grid Engine."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import hpcbatch as hb
from tests.docs.pages import page

HEADING = "## From a login node"
TOLD = (0, 1, 3)  # done, some failed, not yet
STUDY = "def simulate(x, y):\n    return x**2 + y\n"
PROGRAM = '#!/bin/sh\n[ "$1 $3" = "--x --seed" ] && echo "$2 times two is $(($2 * 2))"\n'


def quick_start() -> list[str]:
    readme = page("README.md")
    begins = readme.text[: readme.text.index(HEADING)].count("\n")
    return next(b.commands for b in readme.blocks() if b.language == "sh" and b.line > begins)


@pytest.mark.slow
@pytest.mark.slurm
@pytest.mark.sge
def test_the_quick_start_as_it_is_typed(tmp_path: Path) -> None:
    desk = tmp_path / "desk"
    desk.mkdir()
    (desk / "study.py").write_text(STUDY)
    (desk / "params.csv").write_text("x\n1\n2\n3\n")
    (desk / "sim").write_text(PROGRAM)
    (desk / "sim").chmod(0o755)

    commands = quick_start()
    assert len(commands) >= 8
    for command in commands:
        if " collect " in command:
            typed("hpcbatch watch last", desk)
        typed(command, desk)

    study, program = hb.tasks()
    assert study.wait(120, progress=False).done == 1000
    assert study.collect() == [x**2 + 3 for x in range(1000)]
    told = json.loads((desk / "results.json").read_text())
    assert ["2 times two is 4" in str(each) for each in told] == [False, True, False]
    assert program.status().done == 3


def typed(command: str, folder: Path) -> None:
    told = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=180
    )
    assert told.returncode in TOLD, f"{command}\n{told.stdout}{told.stderr}"
