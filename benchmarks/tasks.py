"""Whole tasks: what they leave on disk, and what a resubmission of a few jobs costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from common import Row, below, count_files, in_turn, seconds, shown, square, use_fake_slurm
from written import write_ended

import hpcbatch as hb

JOBS = 10_000


def rest(work: Path) -> Iterator[Row]:
    """Files of a finished task on this machine."""
    task = hb.create(square, range(JOBS))
    took = seconds(lambda: task.submit("local", chunk=100).wait(timeout=600))
    if task.collect() != [i * i for i in range(JOBS)]:
        raise SystemExit("the results are wrong")
    folder = Path(task.folder)
    count = count_files(folder) - count_files(folder / "logs")
    what = f"files at rest, besides logs: {JOBS:,} jobs in 100 elements"
    yield below(what, count, 17, "files", f"ran {took:.1f} s; submitit {2 * JOBS:,} and more")


def resubmit(work: Path) -> Iterator[Row]:
    """The cost follows the jobs that run again."""
    use_fake_slurm(work / "resubmit-bin")
    small, large = (_nearly_done(jobs) for jobs in (1_000, 100_000))

    def again(task: hb.Task) -> float:
        took = seconds(lambda: task.resubmit(jobs=range(100), chunk=10))
        task.cancel()
        return took

    of_few, of_many = in_turn(lambda: again(small), lambda: again(large), runs=5)
    ratio = sorted(of_many)[2] / sorted(of_few)[2]
    what = "resubmit 100 unfinished jobs of 100,000"
    yield Row(what, shown(of_many), f"of 1,000 {shown(of_few)}", f"{ratio:.2f}x")


def _nearly_done(jobs: int) -> hb.Task:
    """A task of which the first 100 jobs are unfinished."""
    task = hb.create(square, range(jobs)).submit("slurm", chunk=jobs // 100)
    write_ended(task.folder, unfinished=100)
    task.cancel()
    return task
