"""How costs grow with jobs, elements and tasks; what an element asks of the registry's disk."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from common import Row, element_argv, seconds, square, use_fake_slurm
from written import write_ended

import hpcbatch as hb

SIZES = (1_000, 10_000, 100_000, 1_000_000)
ELEMENTS = (10, 100, 1_000)
TASKS = (1, 10, 100)
_CALL = re.compile(r"^(?:\[pid +\d+\] )?(\w+)\(")


def scaling(work: Path) -> Iterator[Row]:
    """One task after the other, each through its whole life."""
    use_fake_slurm(work / "bin")
    for jobs in SIZES:
        yield _life(jobs, min(jobs // 10, 1_000))
    for elements in ELEMENTS:
        yield _life(100_000, elements)
    made = 0
    for count in TASKS:
        while made < count:
            hb.create(square, range(100))
            made += 1
        took = seconds(hb.tasks)
        yield Row(f"list {count} tasks", f"{took * 1000:.3g} ms")


def metadata(work: Path) -> Iterator[Row]:
    """Calls that reach the registry's file system, from the first of an element to the last."""
    use_fake_slurm(work / "bin")
    for jobs in (1, 1_000):
        folder = hb.create(square, range(jobs)).submit("slurm", chunk=jobs).folder
        calls = _calls_on(str(Path(folder).parent), element_argv(folder, 0))
        told = ", ".join(f"{count} {name}" for name, count in calls.most_common())
        yield Row(f"calls on the registry: an element of {jobs:,} jobs", f"{calls.total()}", told)


def _life(jobs: int, elements: int) -> Row:
    task: list[hb.Task] = []
    create = seconds(lambda: task.append(hb.create(square, range(jobs))))
    submit = seconds(lambda: task[0].submit("slurm", chunk=jobs // elements))
    write_ended(task[0].folder)
    first, again = seconds(task[0].status), seconds(task[0].status)
    collected: list[object] = []
    collect = seconds(lambda: collected.extend(task[0].collect()))
    if len(collected) != jobs:
        raise SystemExit("results are missing")
    size = sum(path.stat().st_size for path in Path(task[0].folder).rglob("*") if path.is_file())
    files = sum(path.is_file() for path in Path(task[0].folder).rglob("*"))
    times = {
        "create": create,
        "submit": submit,
        "status": first,
        "again": again,
        "collect": collect,
    }
    told = ", ".join(f"{name} {took * 1000:,.3g} ms" for name, took in times.items())
    what = f"{jobs:,} jobs in {elements:,} elements"
    return Row(what, told, f"{size / jobs:.0f} bytes a job, {files} files")


def _calls_on(folder: str, argv: list[str]) -> Counter[str]:
    kinds = "trace=%file,%desc"
    traced = subprocess.run(
        ["strace", "-f", "-y", "-e", kinds, *argv], capture_output=True, text=True, check=True
    )
    found: Counter[str] = Counter()
    for line in traced.stderr.splitlines():
        call = _CALL.match(line)
        if call and folder in line and call[1] != "execve":
            found[call[1]] += 1
    return found
