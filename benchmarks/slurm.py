"""On a real Slurm: end to end, beside submitit with the same parallelism."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from common import Peer, Row, below, faster, in_turn, seconds, square

import hpcbatch as hb

PARALLELISM = 16


def slurm(work: Path) -> Iterator[Row]:
    if not is_here():
        yield Row("on a real Slurm", "skipped: none answers here (tests/clusters/slurm.sh start)")
        return
    yield from _five_thousand(work)
    yield from _two_hundred(work)
    split = hb.create(square, range(1500))
    took = seconds(lambda: split.submit("slurm", chunk=1).wait(timeout=900))
    what = "1,500 elements where an array may have 1,001"
    done, arrays = split.status().done, _scripts(split)
    yield Row(what, f"{done:,} done", f"{arrays} arrays, {took:.0f} s", "", "all run", done == 1500)


def is_here() -> bool:
    if shutil.which("sinfo") is None:
        return False
    return subprocess.run(["sinfo", "-h"], capture_output=True).returncode == 0


def _five_thousand(work: Path) -> Iterator[Row]:
    """5,000 trivial jobs with automatic chunks; then beside chunks that a user makes by hand."""
    tasks: list[hb.Task] = []

    def ours() -> float:
        tasks.append(hb.create(square, range(5000)))
        return seconds(lambda: tasks[-1].submit("slurm", throttle=PARALLELISM).wait(timeout=900))

    with Peer("submitit_slurm.py", work / "chunks", 5000, 5, PARALLELISM) as peer:
        mine, by_hand = in_turn(ours, peer.seconds, runs=1)
    with Peer("submitit_slurm.py", work / "each", 500, 1, PARALLELISM) as peer:
        tenth = peer.seconds()
    what = "5,000 jobs on Slurm, one by one there"
    yield faster(what, mine, [10 * tenth], "submitit, ten times its 500:", 5)
    yield faster("5,000 jobs on Slurm, chunks made by hand", mine, by_hand, "submitit", 1)
    limit = tasks[-1].status().njobs / 1000 + 1
    yield below("sbatch commands of 5,000 jobs", _scripts(tasks[-1]), limit, "commands")


def _two_hundred(work: Path) -> Iterator[Row]:
    def ours() -> float:
        task, asked = hb.create(square, range(200)), {"chunk": 1, "throttle": PARALLELISM}
        return seconds(lambda: task.submit("slurm", **asked).wait(timeout=600))

    with Peer("submitit_slurm.py", work / "few", 200, 1, PARALLELISM) as peer:
        mine, theirs = in_turn(ours, peer.seconds, runs=3)
    yield faster("200 jobs on Slurm, an element each", mine, theirs, "submitit", 1)


def _scripts(task: hb.Task) -> int:
    return len(list(Path(task.folder, "attempts", "0001").glob("script*.sh")))
