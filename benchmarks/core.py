"""The numbers of the core, each beside its bar; what is timed is timed beside a peer or a floor.

usage: python benchmarks/core.py [ROW ...]     rows: prepare memory rest start element slurm
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from common import Row, count_files, cpu_seconds, ms, output, run_rows, seconds, use_fake_slurm

RUNS = 7
JOBS = 10_000


def square(i: int) -> int:
    return i * i


def prepare(work: Path) -> Iterator[Row]:
    """create() against submitit's map_array, in turn."""
    import submitit

    import hpcbatch as hb

    use_fake_slurm(work / "prepare-bin")
    ours, theirs = [], []
    for run in range(RUNS):
        ours.append(seconds(lambda: hb.create(square, range(JOBS))))
        executor = submitit.AutoExecutor(work / f"submitit{run}", cluster="slurm")
        executor.update_parameters(timeout_min=5, slurm_array_parallelism=100)
        theirs.append(seconds(lambda: executor.map_array(square, range(JOBS))))  # noqa: B023
    ratio = statistics.median(theirs) / statistics.median(ours)
    told = f"{ratio:.0f}x ({ms(ours)} against {ms(theirs)})"
    yield f"prepare {JOBS} jobs, against submitit", told, ">= 50x"
    yield "files of such a task", str(count_files(Path(hb.tasks()[-1].folder))), "<= 16"


def memory(work: Path) -> Iterator[Row]:
    program = (
        "import hpcbatch as hb, time; t = time.time()\n"
        "task = hb.create(lambda i: i, (i for i in range(1_000_000)))\n"
        "seconds = time.time() - t\n"
        "status = open('/proc/self/status').read()\n"
        "print(int(status.split('VmHWM:')[1].split()[0]) // 1024, seconds)"
    )
    peak, took = output([sys.executable, "-c", program]).split()
    yield "prepare 1,000,000 jobs, peak memory", f"{peak} MB ({float(took):.1f} s)", "< 300 MB"


def rest(work: Path) -> Iterator[Row]:
    """Files at rest of a finished local task of 10,000 jobs in 100 elements."""
    import hpcbatch as hb

    task = hb.create(square, range(JOBS))
    took = seconds(lambda: task.submit("local", chunk=100).wait(timeout=600))
    expected = [i * i for i in range(JOBS)]
    if task.collect() != expected:
        raise SystemExit("the results are wrong")
    folder = Path(task.folder)
    count = count_files(folder) - count_files(folder / "logs")
    yield f"files at rest, {JOBS} jobs in 100 elements ({took:.1f} s)", str(count), "<= 16"
    collected = [seconds(task.collect) for _ in range(RUNS)]
    yield f"collect {JOBS} results", ms(collected), "-"
    status = [seconds(task.status) for _ in range(RUNS)]
    yield f"status of {JOBS} jobs, again", ms(status), "-"


def start(work: Path) -> Iterator[Row]:
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
            times[name].append(seconds(lambda: output(argv)))  # noqa: B023
    medians = {name: statistics.median(values[1:]) * 1000 for name, values in times.items()}
    yield (
        "import hpcbatch, over bare Python",
        f"{medians['import'] - medians['bare']:.0f} ms",
        "< 60 ms",
    )
    yield "hpcbatch --help", f"{medians['help']:.0f} ms", "< 250 ms"
    yield "hpcbatch status ID --json", f"{medians['status']:.0f} ms", "< 250 ms"


def element(work: Path) -> Iterator[Row]:
    """One element with one job, against ``import cloudpickle``: CPU seconds and system calls."""
    import hpcbatch as hb

    use_fake_slurm(work / "element-bin")
    task = hb.create(square, range(200))
    task.submit("slurm", chunk=1)
    runner = next(Path(os.environ["HPCBATCH_ROOT"]).glob("runner-*.pyz"))
    ours, floor = [], []
    for number in range(3 * RUNS):
        ours.append(cpu_seconds([sys.executable, str(runner), task.folder, "1", str(number)]))
        floor.append(cpu_seconds([sys.executable, "-c", "import cloudpickle"]))
    ratio = statistics.median(ours) / statistics.median(floor)
    told = f"{ratio:.2f}x ({ms(ours)} against {ms(floor)})"
    yield "CPU of an element with one job, against import cloudpickle", told, "<= 1.5x (goal 1.3x)"
    if shutil.which("strace"):
        argv = [sys.executable, str(runner), task.folder, "1", "199"]
        counted = subprocess.run(["strace", "-f", "-c", *argv], capture_output=True, text=True)
        calls = counted.stderr.strip().splitlines()[-1].split()[3]
        yield "system calls of an element with one job", calls, "< 1,500"


def slurm(work: Path) -> Iterator[Row]:
    """On a real Slurm: 5,000 trivial jobs, and 1,500 elements on its array limit."""
    import hpcbatch as hb

    if shutil.which("sinfo") is None or subprocess.run(["sinfo"], capture_output=True).returncode:
        yield "slurm", "skipped: there is none here that answers (tests/clusters/slurm.sh)", "-"
        return
    task = hb.create(square, range(5000))
    took = seconds(lambda: task.submit("slurm").wait(timeout=600))
    if task.collect() != [i * i for i in range(5000)]:
        raise SystemExit("the results are wrong")
    arrays = len(list(Path(task.folder, "attempts", "0001").glob("script*.sh")))
    yield f"5,000 jobs on Slurm ({took:.1f} s), sbatch commands", str(arrays), "<= elements/1000"
    split = hb.create(square, range(1500))
    took = seconds(lambda: split.submit("slurm", chunk=1).wait(timeout=600))
    done = split.status().done
    arrays = len(list(Path(split.folder, "attempts", "0001").glob("script*.sh")))
    yield f"1,500 elements on Slurm ({took:.1f} s), arrays", f"{arrays}, {done} done", "all run"


if __name__ == "__main__":
    rows = {
        "prepare": prepare,
        "memory": memory,
        "rest": rest,
        "start": start,
        "element": element,
        "slurm": slurm,
    }
    run_rows(rows, sys.argv[1:])
