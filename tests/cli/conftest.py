"""The command line at work: in this process or in one of its own, on a stand-in for Slurm that
runs all elements before it answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hpcbatch.cli.main import main
from hpcbatch.registry.registry import Registry

PROGRAM = [sys.executable, "-c", "from hpcbatch.cli.entry_point import run; run()"]
PROJECT = Path(__file__).resolve().parents[2]

SBATCH = """#!/bin/bash
# Runs the array's elements one after another; keeps them in the queue when told to hold.
here=$(dirname "$0")
[ -e "$here/refuse" ] && { echo "sbatch: error: invalid partition specified" >&2; exit 1; }
[ -e "$here/interrupt" ] && { kill -INT $PPID; sleep 5; exit 1; }
id=$(( $(cat "$here/last") + 1 )); echo $id >"$here/last"
cat >"$here/$id.sh"
[[ $(cat "$here/$id.sh") =~ --array=([0-9]+)-([0-9]+) ]]
[[ $(cat "$here/$id.sh") =~ --job-name=([^[:space:]]+) ]] && name=${BASH_REMATCH[1]}
[[ $(cat "$here/$id.sh") =~ --array=([0-9]+)-([0-9]+) ]]
for (( k = BASH_REMATCH[1], last = BASH_REMATCH[2]; k <= last; k++ )); do
    if [ -e "$here/hold" ]; then
        echo "${id}_$k|PENDING|Resources|$name" >>"$here/queue"
    else
        SLURM_ARRAY_TASK_ID=$k bash "$here/$id.sh"
    fi
done
echo $id
"""
OTHERS = {
    "squeue": 'cat "$(dirname "$0")/queue"',
    "scancel": 'sed -i "/^$1_/d" "$(dirname "$0")/queue"',
    "scontrol": """case "$*" in
*partition) echo "PartitionName=debug Default=YES MaxTime=UNLIMITED DefaultTime=01:00:00" ;;
*) echo "MaxArraySize = 1001"; echo "AccountingStorageType = accounting_storage/none" ;;
esac""",
    "sacct": "exit 1",
    "sacctmgr": "exit 1",
    "sinfo": "echo slurm-wlm 22.05.8",
}
SIM = """
import helper

print("loaded")

def simulate(x, y=1):
    print("x is", x)
    if x == 3:
        raise ValueError("three is bad")
    return {"x": x, "square": helper.square(x) + y}

class Point:
    def __init__(self, x):
        self.x = x

def point(x):
    return Point(x)

def echo(x, **more):
    return [x, more] if more else x

def number(x):
    return complex(x, 1) if x == 2 else x

if __name__ == "__main__":
    raise SystemExit("this is no script")
"""


@dataclass
class Fakes:
    """The stand-in's folder: files in it say how it behaves."""

    folder: Path

    def hold(self) -> None:
        """Elements stay in the queue."""
        (self.folder / "hold").touch()

    def refuse(self) -> None:
        (self.folder / "refuse").touch()

    def interrupt(self) -> None:
        """Ctrl-C comes while sbatch runs."""
        (self.folder / "interrupt").touch()

    def obey(self) -> None:
        for name in ("hold", "refuse", "interrupt"):
            (self.folder / name).unlink(missing_ok=True)

    @property
    def submissions(self) -> int:
        return int((self.folder / "last").read_text())


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {
        "sbatch": SBATCH,
        **{name: f"#!/bin/bash\n{body}\n" for name, body in OTHERS.items()},
    }
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "last").write_text("0\n")
    (folder / "queue").touch()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return Fakes(folder)


class Shell:
    """Runs commands; by default in this process, in the folder ``work``."""

    def __init__(self, work: Path, fakes: Fakes):
        self.work, self.fakes = work, fakes
        self.started: list[subprocess.Popen[str]] = []

    def end(self) -> None:
        for process in self.started:
            process.kill()
            with process:  # closes its pipes
                pass

    def __call__(self, *argv: str, input: str | None = None) -> Result:
        return CliRunner().invoke(main, [*argv], input=input, prog_name="hpcbatch")

    def ok(self, *argv: str) -> str:
        """Standard output of a command that ends with status 0."""
        result = self(*argv)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *argv: str, status: int = 0) -> Any:
        result = self(*argv, "--json")
        assert result.exit_code == status, result.output
        return json.loads(result.stdout)

    def fails(self, status: int, *argv: str) -> str:
        """Standard error of a command that ends with ``status``, in sentences."""
        result = self(*argv)
        assert result.exit_code == status, result.output
        assert "Traceback" not in result.output
        assert result.stderr.strip()
        return result.stderr

    def program(self, *argv: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """The same in a process of its own."""
        return subprocess.run(
            [*PROGRAM, *argv],
            **{"capture_output": True, "text": True, "timeout": 60, "check": False, **more},
        )

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """The same, while it runs; it does not outlive the test."""
        process = subprocess.Popen(
            [*PROGRAM, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.started.append(process)
        return process

    def map(self, function: str = "simulate", *options: str, file: str = "sim.py") -> str:
        """The id of a new task, whose elements have run unless they are held."""
        if not any(option.startswith(("--arg", "--args-file")) for option in options):
            options = ("--arg", "x=range:0:6", *options)
        chunk = () if "--chunk" in options else ("--chunk", "100")
        return self.ok("map", f"{file}:{function}", "-c", "slurm", *chunk, *options).strip()

    def tasks(self) -> list[str]:
        return Registry(os.environ["HPCBATCH_ROOT"]).ids()


@pytest.fixture
def hb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fakes: Fakes) -> Iterator[Shell]:
    work = tmp_path / "work"
    work.mkdir()
    (work / "sim.py").write_text(SIM)
    (work / "helper.py").write_text("def square(x):\n    return x * x\n")
    monkeypatch.chdir(work)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    path, modules = list(sys.path), set(sys.modules)
    shell = Shell(work, fakes)
    yield shell
    shell.end()
    sys.path[:] = path  # modules that a command has loaded must not be found by the next test
    for name in set(sys.modules) - modules:
        if str(tmp_path) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]
