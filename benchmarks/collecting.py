"""Results in the order of the inputs: collect() beside submitit's, and beside one pickle file."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

from common import Peer, Row, faster, in_turn, seconds, square, use_fake_slurm, within
from written import write_ended

import hpcbatch as hb


def collect(work: Path) -> Iterator[Row]:
    use_fake_slurm(work / "collect-bin")
    for jobs, runs in ((10_000, 7), (100_000, 3)):
        task = hb.create(square, range(jobs)).submit("slurm", chunk=jobs // 100)
        write_ended(task.folder)
        expected = list(range(jobs))
        path = work / "floor.pkl"
        with open(path, "wb") as file:
            for value in expected:
                pickle.dump(value, file)
        first = seconds(lambda: _check(task.collect(), expected))  # noqa: B023
        folder = work / f"submitit-{jobs}"
        with Peer("submitit_collect.py", folder, jobs, "results") as peer:
            ours, theirs, floor = in_turn(
                lambda: seconds(lambda: _check(task.collect(), expected)),  # noqa: B023
                peer.seconds,
                lambda: seconds(lambda: _check(_loaded(path, jobs), expected)),  # noqa: B023
                runs=runs,
            )
        yield faster(f"collect {jobs:,} results", ours, theirs, "submitit", 50)
        yield within(f"collect {jobs:,} results", ours, floor, "one pickle file", 4)
        what = f"collect {jobs:,} results, the first look at what 100 elements wrote"
        yield Row(what, f"{first:.2f} s")


def _loaded(path: Path, jobs: int) -> list[object]:
    with open(path, "rb") as file:
        return [pickle.load(file) for _ in range(jobs)]


def _check(collected: list[object], expected: list[int]) -> None:
    if collected != expected:
        raise SystemExit("the results are wrong")
