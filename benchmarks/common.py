"""What the benchmarks share: rows beside their goals, clocks, peers, and a Slurm that runs nothing.

Times are noisy: sides take turns in one run, medians are compared, and a row is a ratio.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
PEERS_PYTHON = os.environ.get("HPCBATCH_PEERS_PYTHON", str(HERE.parent / ".venv-peers/bin/python"))
REAL_PATH = os.environ["PATH"]
RUNS = 7


class Row(NamedTuple):
    """One line of the table. ``met`` is None where nothing has to be met; ``times`` is how many
    times less (or more) than the other side, for the plot."""

    what: str
    ours: str
    other: str = ""
    ratio: str = ""
    goal: str = ""
    met: bool | None = None
    times: float | None = None


Benchmark = Callable[[Path], Iterator[Row]]


def square(i: int) -> int:
    return i * i


square.__module__ = "__main__"  # as in a user's script: it travels without this folder's modules


def faster(
    what: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    peer: str,
    least: float | None = None,
) -> Row:
    """The peer needs at least ``least`` times as long as we do."""
    times = statistics.median(theirs) / statistics.median(ours)
    row = Row(what, shown(ours), f"{peer} {shown(theirs)}", f"{times:.1f}x", times=times)
    return row if least is None else row._replace(goal=f">= {least:g}x", met=times >= least)


def within(what: str, ours: Sequence[float], floor: Sequence[float], name: str, most: float) -> Row:
    """We need at most ``most`` times as long as what cannot be done without."""
    times = statistics.median(ours) / statistics.median(floor)
    told = f"{name} {shown(floor)}"
    return Row(what, shown(ours), told, f"{times:.2f}x", f"<= {most:g}x", times <= most)


def below(what: str, found: float, most: float, unit: str, note: str = "") -> Row:
    told = f"{found:,.4g} {unit}".strip()
    return Row(what, told, note, "", f"< {most:,g} {unit}".strip(), found < most)


def shown(values: Sequence[float]) -> str:
    median = statistics.median(values)
    return f"{median:.2f} s" if median >= 1 else f"{median * 1000:.3g} ms"


def seconds(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def in_turn(*sides: Callable[[], float], runs: int = RUNS) -> list[list[float]]:
    """What each side measures, ``runs`` times in turn; the first turn warms up. What the side
    before left to be written to disk is written first."""
    found: list[list[float]] = [[] for _ in sides]
    for run in range(runs + 1):
        for side, values in zip(sides, found, strict=True):
            os.sync()
            value = side()
            if run:
                values.append(value)
    return found


def cpu_seconds(argv: Sequence[str], **more: Any) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, check=True, capture_output=True, **more)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def system_calls(argv: Sequence[str], *kinds: str, **more: Any) -> int:
    """How many a program makes, with all that it starts: of some kinds, or all (strace(1))."""
    only = ["-e", f"trace={','.join(kinds)}"] if kinds else []
    counted = subprocess.run(
        ["strace", "-f", "-c", *only, *argv], capture_output=True, text=True, check=True, **more
    )
    return int(counted.stderr.strip().splitlines()[-1].split()[3])


def output(argv: Sequence[str]) -> str:
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def count_files(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))


class Peer:
    """A program of ``peers/``, run by the peers' own Python, or one of ours by another: it does its
    work once a line."""

    def __init__(self, script: str | Path, *arguments: object, python: str = PEERS_PYTHON):
        argv = [python, str(HERE / "peers" / script), *map(str, arguments)]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._line()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def seconds(self) -> float:
        """How long its work took this time."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args} ended with status {self._process.wait()}")
        return line


def without_peers() -> str:
    """Why peers cannot be run here; empty when they can."""
    if Path(PEERS_PYTHON).exists():
        return ""
    return f"there is no {PEERS_PYTHON}: 'make bench' makes it"


def runner_of(root: Path) -> str:
    return str(next(root.glob("runner-*.pyz")))


def element_argv(task_folder: str, number: int) -> list[str]:
    """The command of one element, as its script runs it."""
    runner = runner_of(Path(task_folder).parent)
    return [sys.executable, runner, task_folder, "1", str(number)]


def use_fake_slurm(folder: Path) -> Path:
    """Put a Slurm first on PATH that takes everything, runs nothing, and lists what lies in the
    file ``listing``; each of its listings adds its time to the file ``listings``, and each command
    its name to the file ``commands``."""
    folder.mkdir()
    for name in ("listing", "listings", "ids", "history", "commands"):
        (folder / name).touch()
    take = f"cat >/dev/null; echo >>'{folder}/ids'; id=$(wc -l <'{folder}/ids')"
    answers = {
        "sbatch": f'{take}; case "$*" in *--parsable*) ;; *) printf "Submitted batch job ";; esac; '
        "echo $id",
        "squeue": f"date +%s.%N >>'{folder}/listings'; cat '{folder}/listing'",
        "scontrol": "echo MaxArraySize = 1001",
        "srun": ":",
        "scancel": ":",
        "sacct": f"date +%s.%N >>'{folder}/listings'; cat '{folder}/history'",
    }
    for name, line in answers.items():
        (folder / name).write_text(f"#!/bin/sh\necho {name} >>'{folder}/commands'\n{line}\n")
        (folder / name).chmod(0o755)
    os.environ["PATH"] = f"{folder}:{REAL_PATH}"
    return folder
