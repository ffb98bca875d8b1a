"""What the benchmarks share: rows beside their bars, clocks, and a Slurm that runs nothing."""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

Row = tuple[str, str, str]  # what was measured, what was found, its bar
Benchmark = Callable[[Path], Iterator[Row]]

REAL_PATH = os.environ["PATH"]


def run_rows(benchmarks: Mapping[str, Benchmark], chosen: list[str]) -> None:
    """Print the rows of some benchmarks (none: of all), each in a registry of its own."""
    if unknown := sorted(set(chosen) - set(benchmarks)):
        raise SystemExit(f"no such row: {', '.join(unknown)}; there are: {', '.join(benchmarks)}")
    work = Path(tempfile.mkdtemp(prefix="hpcbatch-bench-"))
    try:
        for name in chosen or benchmarks:
            os.environ["PATH"] = REAL_PATH
            os.environ["HPCBATCH_ROOT"] = str(work / name)
            os.environ["HPCBATCH_LOCAL_SPOOL"] = str(work)
            for what, found, bar in benchmarks[name](work):
                print(f"{what:<66} {found:<38} {bar}", flush=True)
    finally:
        shutil.rmtree(work)


def seconds(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def cpu_seconds(argv: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output(argv)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def output(argv: list[str]) -> str:
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def ms(values: list[float]) -> str:
    return f"{statistics.median(values) * 1000:.0f} ms"


def count_files(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))


def use_fake_slurm(folder: Path) -> Path:
    """Put a Slurm first on PATH that takes everything, runs nothing, and lists what lies in the
    file ``listing``; each of its listings adds its time to the file ``listings``."""
    folder.mkdir()
    for name in ("listing", "listings", "ids"):
        (folder / name).touch()
    take = f"cat >/dev/null; echo >>'{folder}/ids'; id=$(wc -l <'{folder}/ids')"
    answers = {
        "sbatch": f'{take}; case "$*" in *--parsable*) ;; *) printf "Submitted batch job ";; esac; '
        "echo $id",
        "squeue": f"date +%s.%N >>'{folder}/listings'; cat '{folder}/listing'",
        "scontrol": "echo MaxArraySize = 1001",
        "srun": ":",
        "scancel": ":",
        "sacct": ":",
    }
    for name, line in answers.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    os.environ["PATH"] = f"{folder}:{REAL_PATH}"
    return folder
