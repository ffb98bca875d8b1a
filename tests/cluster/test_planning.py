"""The arithmetic before a submission, and 1,500 elements that really start."""

from __future__ import annotations

import contextlib
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hpcbatch as hb
from hpcbatch.cluster.cluster import Cluster
from hpcbatch.cluster.orders import ArrayOrder
from hpcbatch.cluster.profile import ClusterConfig
from hpcbatch.cluster.schedulers.answers import Limits
from hpcbatch.cluster.scripts import render
from hpcbatch.use.arrays import make_arrays
from hpcbatch.use.planning import check_limits, make_plan, with_queue
from hpcbatch.words.errors import ResourceError
from hpcbatch.words.ranges import Ranges
from hpcbatch.words.resources import Resources

from .conftest import Harness, engine, use_fake, write_program
from .test_scripts import order

TASK = "01234567__Test"


def cluster(scheduler: str = "slurm", **more: Any) -> Cluster:
    return Cluster(ClusterConfig(scheduler, scheduler, **more))


def jobs(count: int) -> Ranges:
    return Ranges([(0, count)])


def elements(count: int, chunk: Any = "auto", limits: Limits | None = None, **more: Any) -> int:
    resources = Resources.parse(more.pop("resources", {}))
    plan = make_plan(jobs(count), cluster(**more), limits or Limits(), resources, chunk)
    assert sum(len(plan.jobs_of(element)) for element in range(plan.elements)) == count
    return plan.elements


@pytest.mark.parametrize(
    ("expected", "asked"),
    [
        (1, {"count": 1}),
        (10, {"count": 10}),
        (1000, {"count": 1_000_000}),
        (200, {"count": 1_000_000, "elements": 200}),
        (75, {"count": 1500, "limits": Limits(array=75)}),
        (16, {"count": 1500, "limits": Limits(array=75, parallel=16)}),
        (10, {"count": 100, "chunk": 10}),
        (10, {"count": 95, "chunk": 10}),
        (1, {"count": 5, "chunk": 10}),
        (1500, {"count": 1500, "chunk": 1, "limits": Limits(array=1001)}),
        (50, {"count": 100, "max_walltime": 7200, "resources": {"walltime": "1h"}, "elements": 10}),
        (
            100,
            {"count": 100, "max_walltime": 3600, "resources": {"walltime": "1h"}, "elements": 10},
        ),
        (
            10,
            {"count": 100, "max_walltime": 86400, "resources": {"walltime": "1m"}, "elements": 10},
        ),
    ],
)
def test_chunks(expected: int, asked: dict[str, Any]) -> None:
    assert elements(**asked) == expected


def test_walltime_beyond_the_profile() -> None:
    for asked in (
        {"chunk": 3, "resources": {"walltime": "1h"}},
        {"chunk": "auto", "resources": {"walltime": "3h"}},
        {"chunk": "auto", "resources": {"element_walltime": "3h"}},
    ):
        with pytest.raises(ResourceError, match="smaller chunk, a shorter walltime"):
            elements(9, max_walltime=7200, **asked)


@pytest.mark.parametrize(
    ("queue", "walltime", "words"),
    [
        ("short", "2h", r"1 job asks for 2:00:00 .* allows 1:00:00 \(queues.short in"),
        ("long", "25h", r"allows 1-00:00:00 \(queues.long in"),
        (None, "25h", r"allows 1-00:00:00 \(queues.long in"),
        ("unlisted", "49h", r"allows 2-00:00:00 \(max_walltime in"),
        ("unlisted", "25h", None),
        ("long", "24h", None),
    ],
)
def test_a_walltime_fits_its_queue(queue: str | None, walltime: str, words: str | None) -> None:
    asked = {"walltime": walltime, "queue": queue}
    queues = {"short": 3600, "long": 86400}
    told = contextlib.nullcontext() if words is None else pytest.raises(ResourceError, match=words)
    with told:
        elements(3, max_walltime=172800, queues=queues, chunk=1, resources=asked)


@given(count=st.integers(1, 5000), limit=st.one_of(st.none(), st.integers(1, 2000)))
def test_arrays_cover_the_elements(count: int, limit: int | None) -> None:
    limits = Limits(array=limit)
    for scheduler in ("slurm", "sge", "lsf", "pbs", "torque"):
        here = cluster(scheduler)
        plan = make_plan(jobs(count), here, limits, Resources(), 1)
        arrays = make_arrays(plan.elements, here, limits, TASK, None)
        covered = [e for a in arrays for e in range(a.first, a.first + a.count)]
        assert covered == list(range(count))
        assert all(1 <= a.count <= (limit or count) for a in arrays)
        assert {a.base for a in arrays} == {here.scheduler.base}


NUMBERED = {  # the elements that a script asks its scheduler for: the first index, and the last
    "slurm": r"^#SBATCH --array=(\d+)-(\d+)(?:%2)?$",
    "sge": r"^#\$ -t (\d+)-(\d+)$",
    "lsf": r"^#BSUB -J \"\S+\[(\d+)-(\d+)\](?:%2)?\"$",
    "pbs": r"^#PBS -J (\d+)-(\d+)(?:%2)?$",
    "torque": r"^#PBS -t (\d+)-(\d+)(?:%2)?$",
    "local": r"^#LOCAL --elements=()(\d+) ",
    "drmaa": r"^#DRMAA --elements=()(\d+) ",
}


def asked_for(scheduler: str, script: str, base: int) -> range:
    """Indices of the elements that a scheduler makes of a script."""
    found = re.search(NUMBERED[scheduler], script, re.MULTILINE)
    if found is None:
        return range(base, base + 1)  # a plain job in place of an array of one
    first = int(found[1]) if found[1] else base
    return range(first, int(found[2]) + 1 if found[1] else base + int(found[2]))


@pytest.mark.parametrize("scheduler", NUMBERED)
@given(
    members=st.sets(st.integers(0, 400), min_size=1, max_size=60),
    chunk=st.integers(1, 7),
    limit=st.sampled_from([None, 1, 2, 10, 1000]),
    throttle=st.sampled_from([None, 2]),
)
@settings(max_examples=20, deadline=None)
def test_any_set_of_jobs_comes_back_from_the_scripts(
    scheduler: str, members: set[int], chunk: int, limit: int | None, throttle: int | None
) -> None:
    here, limits = cluster(scheduler), Limits(array=limit)
    plan = make_plan(Ranges.of(members), here, limits, Resources(), chunk)
    seen: list[int] = []
    for array in make_arrays(plan.elements, here, limits, TASK, throttle):
        given_out = ArrayOrder(array.name, array.first, array.count, array.base)
        script = render(here.template, order(array=given_out, throttle=throttle))
        indices = asked_for(scheduler, script, array.base)
        if limit and (here.scheduler.chains or not throttle):
            assert len(indices) <= limit
        for index in indices:
            seen += plan.jobs_of(array.first + index - array.base)
    assert sorted(seen) == sorted(members)


@pytest.mark.slow
def test_1500_elements_on_a_limit_of_1001(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two arrays, all of whose elements start; a stand-in for Python notes their numbers."""
    use_fake("slurm", tmp_path / "state", monkeypatch)
    harness = Harness("slurm", "fake", tmp_path, monkeypatch)
    stub = tmp_path / "python"
    write_program(stub, "")
    stub.write_text(f'#!/bin/sh\necho "$4" >>{tmp_path}/started\n')
    harness.configure(python=str(stub))
    task = hb.create(lambda x: x, range(1500)).submit(chunk=1)
    arrays = harness.attempts(task)[0].arrays
    assert [(array.first, array.count) for array in arrays] == [(0, 1001), (1001, 499)]
    try:
        give_up = time.monotonic() + 120
        while harness.cluster.listing().alive and time.monotonic() < give_up:
            time.sleep(0.5)
        started = Counter(map(int, (tmp_path / "started").read_text().split()))
        assert started == Counter(range(1500))
    finally:
        engine.end_all(harness.state)


@pytest.mark.parametrize(
    ("limits", "asked", "words"),
    [
        ({"max_memory": 4 << 30}, {"memory": "8GB"}, "memory 8.0 GB .* allows 4.0 GB"),
        ({"max_memory": 190123456789}, {"memory": "1TB"}, "allows 177.1 GB"),
        ({"max_memory": 4 << 30}, {"memory": "4194305KB"}, "memory 4194305KB .* allows 4GB"),
        ({"max_cpus": 4}, {"cpus": 5}, "cpus 5 .* allows 4"),
        ({"max_gpus": 0}, {"gpus": 1}, "gpus 1 .* allows 0"),
        ({"max_nodes": 1}, {"nodes": 2}, "nodes 2 .* allows 1"),
        ({"queues": {"a": 3600}}, {"walltime": "2h"}, "2:00:00 of walltime, .* allows 1:00:00"),
    ],
)
def test_limits_are_checked_before_submitting(
    limits: dict[str, Any], asked: dict[str, Any], words: str
) -> None:
    own, resources = cluster("slurm", **limits), Resources.parse(asked)

    def plan() -> None:
        check_limits(own.config, resources)
        make_plan(jobs(3), own, Limits(), resources, 1)

    with pytest.raises(ResourceError, match=words):
        plan()


@pytest.mark.parametrize(
    ("walltime", "queue", "chosen"),
    [
        ("30m", None, "short"),
        ("1h", None, "short"),
        ("61m", None, "long"),
        (None, None, None),
        ("30m", "gpu", "gpu"),
    ],
)
def test_queue_by_walltime(walltime: str | None, queue: str | None, chosen: str | None) -> None:
    own = cluster("slurm", queues={"long": 86400, "short": 3600, "never": 10})
    asked = Resources.parse({"walltime": walltime, "queue": queue})
    plan = make_plan(jobs(2), own, Limits(), asked, 1)
    assert with_queue(own.config, asked, plan).queue == chosen
