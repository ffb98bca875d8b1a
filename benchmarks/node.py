"""What an element costs on a node, beside peers and beside what cannot be done without."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from common import (
    PEERS_PYTHON,
    Row,
    below,
    cpu_seconds,
    element_argv,
    faster,
    in_turn,
    output,
    seconds,
    square,
    system_calls,
    use_fake_slurm,
    within,
)

import hpcbatch as hb

OPENS = ("open", "openat")
JOBS = 10_000
BARE = [sys.executable, "-c", "import cloudpickle"]


def element(work: Path) -> Iterator[Row]:
    """One element with one job: CPU seconds, system calls, files opened."""
    use_fake_slurm(work / "element-bin")
    task = hb.create(square, range(400)).submit("slurm", chunk=1)
    numbers = iter(range(400))
    peers = {name: _one_job(name, work) for name in ("submitit", "clusterfutures", "jug")}

    def ours() -> float:
        return cpu_seconds(element_argv(task.folder, next(numbers)))

    def theirs(name: str) -> Callable[[], float]:
        return lambda: cpu_seconds(peers[name]["argv"], **_place(peers[name]))

    sides = [ours, lambda: cpu_seconds(BARE), *map(theirs, peers)]
    mine, floor, *others = in_turn(*sides, runs=11)
    what = "CPU of an element with one job"
    yield faster(what, mine, others[0], "submitit", 3)
    for name, values in list(zip(peers, others, strict=True))[1:]:
        yield faster(what, mine, values, name)
    yield within(what, mine, floor, "import cloudpickle", 1.3)
    calls = system_calls(element_argv(task.folder, next(numbers)))
    theirs_calls = system_calls(peers["submitit"]["argv"], **_place(peers["submitit"]))
    what = "system calls of an element with one job"
    yield below(what, calls, 1500, "calls", f"submitit {theirs_calls:,}")
    opens = system_calls(element_argv(task.folder, next(numbers)), *OPENS)
    theirs_opens = system_calls(peers["submitit"]["argv"], *OPENS, **_place(peers["submitit"]))
    told, most = f"submitit {theirs_opens:,}", theirs_opens / 3
    what = "files opened by an element with one job"
    yield Row(what, f"{opens:,}", told, f"{theirs_opens / opens:.1f}x", ">= 3x", opens <= most)


def chunk(work: Path) -> Iterator[Row]:
    """One element with many jobs, beside a plain loop that pickles each result."""
    use_fake_slurm(work / "chunk-bin")
    runs = 5
    tasks = [hb.create(square, range(JOBS)).submit("slurm", chunk=JOBS) for _ in range(runs + 1)]
    left = iter(tasks)
    loop = work / "loop.py"
    loop.write_text(
        "import pickle\n"
        f"with open({str(work / 'loop.pkl')!r}, 'wb') as file:\n"
        f"    for i in range({JOBS}):\n"
        "        file.write(pickle.dumps(i * i))\n"
    )

    def ours() -> float:
        argv = element_argv(next(left).folder, 0)
        return seconds(lambda: output(argv))

    def plainly() -> float:
        return seconds(lambda: output([sys.executable, str(loop)]))

    mine, plain = in_turn(ours, plainly, runs=runs)
    each = [(a - b) / JOBS * 1e6 for a, b in zip(mine, plain, strict=True)]
    each.sort()
    what = "an element of 10,000 jobs, over a plain loop"
    yield below(what, each[len(each) // 2], 40, "us a job")


def _one_job(peer: str, work: Path) -> dict[str, Any]:
    script = str(Path(__file__).with_name("peers") / "one_job.py")
    told: dict[str, Any] = json.loads(output([PEERS_PYTHON, script, peer, str(work / peer)]))
    return told


def _place(stored: dict[str, Any]) -> dict[str, Any]:
    return {
        "cwd": stored["folder"],
        "env": {**os.environ, **stored["variables"]},
    }
