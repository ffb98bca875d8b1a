"""SIGKILL at random on everything that a task consists of, cancel and resubmit at random: every
job is done once, and what was done did not run again."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import hpcbatch as hb
from hpcbatch.use import in_doubt
from hpcbatch.words.ranges import Ranges
from tests.cluster.conftest import Harness
from tests.conftest import IS_LONG

from .conftest import CLUSTERS
from .havoc import Blow, Havoc
from .processes import elements_of, kill_one, supervisors_of
from .traces import traced
from .verdict import judge


class Size(NamedTuple):
    jobs: int
    chunk: int
    steps: int
    pause: float  # the longest between two blows, seconds
    grace: float  # of a submission in doubt, seconds
    longest: float  # seconds of one job
    throttle: int | None = None


SHORT = Size(jobs=400, chunk=20, steps=90, pause=0.15, grace=15.0, longest=0.08)
LONG = Size(jobs=2000, chunk=20, steps=400, pause=0.25, grace=20.0, longest=0.08)
REAL = Size(jobs=300, chunk=10, steps=160, pause=0.8, grace=20.0, longest=0.5, throttle=6)


@pytest.fixture
def run(
    chance: random.Random,
    tmp_path: Path,
    nothing_lives: Callable[[Any], None],
    tell: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., None]:
    def chaos(cluster: Harness, size: Size, blows: Callable[[hb.Task], dict[str, Any]]) -> None:
        traces = tmp_path / "traces"
        traces.mkdir()
        cluster.configure(poll_seconds=[0.3, 0.6], grace=1.0, elements=size.jobs // size.chunk)
        task = cluster.create(
            traced(traces, size.longest / 8, size.longest), range(size.jobs), name="chaos"
        )
        monkeypatch.setattr(in_doubt, "GRACE", size.grace)
        havoc = Havoc(task, tmp_path / "clients", chance, size.grace, size.throttle)
        try:
            havoc.rage(size.steps, size.pause, blows(task))
            havoc.finish()
        finally:
            havoc.end_clients()
        nothing_lives(task)
        found = judge(task, traces, havoc.makings)
        hits = ", ".join(f"{count} {name}" for name, count in sorted(havoc.counts.items()) if count)
        tell(
            f"{len(found.executions)} executions of {size.jobs} jobs in {len(found.attempts)} "
            f"attempts and {found.processes} processes, {len(found.interrupted)} in flight and "
            f"{len(found.overtaken)} overtaken when they were taken from them; {hits}"
        )

    return chaos


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("cluster", ["local"], indirect=True)
@pytest.mark.parametrize("number", range(4 if IS_LONG else 1))
def test_on_this_machine(
    cluster: Harness, chance: random.Random, tmp_path: Path, run: Any, number: int
) -> None:
    chance.seed(f"{chance.random()} {number}")
    spool = str(tmp_path / "local-spool")

    def blows(task: hb.Task) -> dict[str, tuple[int, Blow]]:
        return {
            "killed elements": (10, partial(kill_one, lambda: elements_of(task.id), chance)),
            "killed supervisors": (3, partial(kill_one, lambda: supervisors_of(spool), chance)),
        }

    run(cluster, LONG if IS_LONG else SHORT, blows)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not IS_LONG, reason="takes minutes: make chaos")
@pytest.mark.parametrize("cluster", CLUSTERS[1:], indirect=True)
def test_on_a_real_cluster(cluster: Harness, chance: random.Random, run: Any) -> None:
    def blows(task: hb.Task) -> dict[str, tuple[int, Blow]]:
        return {
            "killed elements": (8, partial(kill_one, lambda: elements_of(task.id), chance)),
            "deleted elements": (4, partial(delete_one, cluster, task, chance)),
        }

    run(cluster, REAL, blows)


def delete_one(cluster: Harness, task: hb.Task, chance: random.Random) -> bool:
    """As the user's own scancel or qdel of one element does."""
    listed = list(cluster.listed(task))
    if listed:
        array, index = chance.choice(listed)
        cluster.cluster.cancel(array, None if index is None else Ranges.of([index]))
    return bool(listed)
