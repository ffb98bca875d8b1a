"""What must not grow unnoticed: files, system calls, modules. Times are for ``make bench``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hpcbatch as hb
from tests.cluster.conftest import write_program
from tests.conftest import REQUIRED

FILES = 16  # of a task, besides logs, however many jobs it has
BARE = "import cloudpickle"


@pytest.fixture(autouse=True)
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes everything and runs nothing."""
    said = {
        "sbatch": "sys.stdin.read(); print(1)",
        "squeue": "",
        "scontrol": "print('MaxArraySize = 9')",
    }
    for name, body in said.items():
        write_program(tmp_path / "bin" / name, f"import sys\n{body}")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


@pytest.fixture
def stored() -> hb.Task:
    return hb.create(pow, range(2), const={"exp": 2}).submit("slurm", chunk=1)


def element(task: hb.Task, number: int) -> list[str]:
    runner = next(Path(task.folder).parent.glob("runner-*.pyz"))
    return [sys.executable, str(runner), task.folder, "1", str(number)]


def modules(*argv: str) -> set[str]:
    """Those that a program imports."""
    told = subprocess.run(
        [sys.executable, "-X", "importtime", *argv], capture_output=True, text=True, check=True
    )
    return {line.rpartition("|")[2].strip() for line in told.stderr.splitlines() if "|" in line}


def files_of(task: hb.Task) -> int:
    return sum(
        path.is_file() for path in Path(task.folder).rglob("*") if path.parent.name != "logs"
    )


@pytest.mark.parametrize("jobs", [1, 20_000])
def test_files_of_a_task(jobs: int) -> None:
    task = hb.create(abs, range(jobs))
    assert files_of(task) <= 5
    task.submit("slurm")
    assert files_of(task) <= FILES


def test_modules_of_an_element(stored: hb.Task) -> None:
    """Beside what unpickling the function needs anyway."""
    own = modules(*element(stored, 0)[1:]) - modules("-c", BARE)
    assert stored.job(0).result() == 0
    assert len(own) <= 44, sorted(own)


def test_system_calls_of_an_element(stored: hb.Task) -> None:
    if shutil.which("strace") is None:
        absent = pytest.fail if "tools" in REQUIRED else pytest.skip
        absent("strace is not installed")
    counts = []
    for argv in (element(stored, 0), [sys.executable, "-c", BARE]):
        told = subprocess.run(
            ["strace", "-f", "-c", *argv], capture_output=True, text=True, check=True
        )
        counts.append(int(told.stderr.strip().splitlines()[-1].split()[3]))
    assert stored.job(0).result() == 0
    assert counts[0] < 1500
    assert counts[0] - counts[1] < 700


def test_modules_of_the_command_line(stored: hb.Task) -> None:
    program = "from hpcbatch.cli.entry_point import run; run()"
    bare = modules("-c", "import click")
    shown = modules("-c", program, "--help") - bare
    looked = modules("-c", program, "status", stored.id, "--json") - bare
    assert len(shown) <= 40, sorted(shown)
    assert len(looked) <= 165, sorted(looked)
