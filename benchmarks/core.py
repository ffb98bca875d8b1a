"""The numbers of the core, each beside its bar; what is timed is timed beside a peer or a floor.

usage: python benchmarks/core.py [ROW ...]     rows: prepare memory rest start element slurm
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

RUNS = 7
JOBS = 10_000


def square(i: int) -> int:
    return i * i


def prepare(work: Path) -> Iterator[tuple[str, str, str]]:
    """create() against submitit's map_array, in turn."""
    import submitit

    import hpcbatch as hb

    ours, theirs = [], []
    for run in range(RUNS):
        ours.append(_seconds(lambda: hb.create(square, range(JOBS))))
        executor = submitit.AutoExecutor(work / f"submitit{run}", cluster="slurm")
        executor.update_parameters(timeout_min=5, slurm_array_parallelism=100)
        theirs.append(_seconds(lambda: executor.map_array(square, range(JOBS))))  # noqa: B023
    ratio = statistics.median(theirs) / statistics.median(ours)
    told = f"{ratio:.0f}x ({_ms(ours)} against {_ms(theirs)})"
    yield f"prepare {JOBS} jobs, against submitit", told, ">= 50x"
    yield "files of such a task", str(_files(Path(hb.tasks()[-1].folder))), "<= 16"


def memory(work: Path) -> Iterator[tuple[str, str, str]]:
    program = (
        "import hpcbatch as hb, time; t = time.time()\n"
        "task = hb.create(lambda i: i, (i for i in range(1_000_000)))\n"
        "seconds = time.time() - t\n"
        "status = open('/proc/self/status').read()\n"
        "print(int(status.split('VmHWM:')[1].split()[0]) // 1024, seconds)"
    )
    peak, seconds = _output([sys.executable, "-c", program]).split()
    yield "prepare 1,000,000 jobs, peak memory", f"{peak} MB ({float(seconds):.1f} s)", "< 300 MB"


def rest(work: Path) -> Iterator[tuple[str, str, str]]:
    """Files at rest of a finished local task of 10,000 jobs in 100 elements."""
    import hpcbatch as hb

    task = hb.create(square, range(JOBS))
    seconds = _seconds(lambda: task.submit("local", chunk=100).wait(timeout=600))
    expected = [i * i for i in range(JOBS)]
    if task.collect() != expected:
        raise SystemExit("the results are wrong")
    folder = Path(task.folder)
    count = _files(folder) - _files(folder / "logs")
    yield f"files at rest, {JOBS} jobs in 100 elements ({seconds:.1f} s)", str(count), "<= 16"
    collected = [_seconds(task.collect) for _ in range(RUNS)]
    yield f"collect {JOBS} results", _ms(collected), "-"
    status = [_seconds(task.status) for _ in range(RUNS)]
    yield f"status of {JOBS} jobs, again", _ms(status), "-"


def start(work: Path) -> Iterator[tuple[str, str, str]]:
    """Start of the interpreter, the library and the command, in turn."""
    import hpcbatch as hb

    task = hb.create(square, range(10))
    script = str(Path(sys.executable).with_name("hpcbatch"))
    commands = {
        "bare": [sys.executable, "-c", "pass"],
        "import": [sys.executable, "-c", "import hpcbatch"],
        "help": [script, "--help"],
        "status": [script, "status", task.id, "--json"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS + 1):
        for name, argv in commands.items():
            times[name].append(_seconds(lambda: _output(argv)))  # noqa: B023
    medians = {name: statistics.median(values[1:]) * 1000 for name, values in times.items()}
    yield (
        "import hpcbatch, over bare Python",
        f"{medians['import'] - medians['bare']:.0f} ms",
        "< 60 ms",
    )
    yield "hpcbatch --help", f"{medians['help']:.0f} ms", "< 250 ms"
    yield "hpcbatch status ID --json", f"{medians['status']:.0f} ms", "< 250 ms"


def element(work: Path) -> Iterator[tuple[str, str, str]]:
    """One element with one job, against ``import cloudpickle``: CPU seconds and system calls."""
    import hpcbatch as hb

    task = hb.create(square, range(200))
    task.submit("slurm", chunk=1)
    runner = next(Path(os.environ["HPCBATCH_ROOT"]).glob("runner-*.pyz"))
    ours, floor = [], []
    for number in range(3 * RUNS):
        ours.append(_cpu([sys.executable, str(runner), task.folder, "1", str(number)]))
        floor.append(_cpu([sys.executable, "-c", "import cloudpickle"]))
    ratio = statistics.median(ours) / statistics.median(floor)
    told = f"{ratio:.2f}x ({_ms(ours)} against {_ms(floor)})"
    yield "CPU of an element with one job, against import cloudpickle", told, "<= 1.5x (goal 1.3x)"
    if shutil.which("strace"):
        argv = [sys.executable, str(runner), task.folder, "1", "199"]
        counted = subprocess.run(["strace", "-f", "-c", *argv], capture_output=True, text=True)
        calls = counted.stderr.strip().splitlines()[-1].split()[3]
        yield "system calls of an element with one job", calls, "< 1,500"


def slurm(work: Path) -> Iterator[tuple[str, str, str]]:
    """On a real Slurm: 5,000 trivial jobs, and 1,500 elements on its array limit."""
    import hpcbatch as hb

    task = hb.create(square, range(5000))
    seconds = _seconds(lambda: task.submit("slurm").wait(timeout=600))
    if task.collect() != [i * i for i in range(5000)]:
        raise SystemExit("the results are wrong")
    arrays = len(list(Path(task.folder, "attempts", "0001").glob("script*.sh")))
    yield f"5,000 jobs on Slurm ({seconds:.1f} s), sbatch commands", str(arrays), "<= elements/1000"
    split = hb.create(square, range(1500))
    seconds = _seconds(lambda: split.submit("slurm", chunk=1).wait(timeout=600))
    done = split.status().done
    arrays = len(list(Path(split.folder, "attempts", "0001").glob("script*.sh")))
    yield f"1,500 elements on Slurm ({seconds:.1f} s), arrays", f"{arrays}, {done} done", "all run"


def _seconds(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def _cpu(argv: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _output(argv)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _output(argv: list[str]) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def _ms(values: list[float]) -> str:
    return f"{statistics.median(values) * 1000:.0f} ms"


def _files(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))


def _fake_slurm(folder: Path) -> str:
    """A PATH on which Slurm takes everything and runs nothing."""
    folder.mkdir()
    answers = {"sbatch": "cat >/dev/null; echo Submitted batch job 1", "srun": ":"}
    answers["scontrol"] = "echo MaxArraySize = 1001"
    answers |= {"squeue": ":", "scancel": ":", "sacct": ":"}
    for name, line in answers.items():
        if name == "sbatch":
            line = f'case "$*" in *--parsable*) cat >/dev/null; echo 1;; *) {line};; esac'
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


ROWS: dict[str, tuple[Callable[[Path], Iterator[tuple[str, str, str]]], bool]] = {
    "prepare": (prepare, True),
    "memory": (memory, False),
    "rest": (rest, False),
    "start": (start, False),
    "element": (element, True),
    "slurm": (slurm, False),
}


def main(chosen: list[str]) -> None:
    work = Path(tempfile.mkdtemp(prefix="hpcbatch-bench-"))
    real_path = os.environ["PATH"]
    fake_path = _fake_slurm(work / "bin")
    for name in chosen or ROWS:
        rows, faked = ROWS[name]
        if name == "slurm" and shutil.which("sbatch", path=real_path) is None:
            print("slurm: skipped, there is no sbatch here")
            continue
        os.environ["PATH"] = fake_path if faked else real_path
        os.environ["HPCBATCH_ROOT"] = str(work / name)
        for what, found, bar in rows(work):
            print(f"{what:<66} {found:<34} {bar}", flush=True)
    shutil.rmtree(work)


if __name__ == "__main__":
    main(sys.argv[1:])
