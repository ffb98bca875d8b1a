"""Cancelled at 30 % and resubmitted at once: what was done stays, and only what was in flight runs
twice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Harness, eventually

from .conftest import CLUSTERS
from .traces import read_executions, traced
from .verdict import Making, judge

JOBS, CHUNK = 120, 12


@pytest.mark.slow
@pytest.mark.parametrize("cluster", CLUSTERS, indirect=True)
def test_runs_again_only_what_was_in_flight(
    cluster: Harness,
    tmp_path: Path,
    nothing_lives: Callable[[Any], None],
    tell: Callable[[str], None],
) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    task = cluster.create(traced(traces, 0.05, 0.25), range(JOBS), name="part-way")
    asked = time.time()
    task.submit(chunk=CHUNK)
    makings = [Making(asked, time.time(), False)]
    eventually(lambda: task.status().done >= 0.3 * JOBS, "30 % to be done")
    canceling = time.time()
    task.cancel()
    asked = time.time()
    task.resubmit()
    makings.append(Making(asked, time.time(), False))
    assert cluster.wait(task).done == JOBS
    nothing_lives(task)
    judge(task, traces, makings)
    executions = read_executions(traces)
    in_flight = {
        one.job
        for one in executions
        if one.attempt == 1 and (one.went_on is None or one.went_on >= canceling)
    }
    twice = {job for job, count in Counter(one.job for one in executions).items() if count == 2}
    tell(f"{JOBS} jobs, {len(in_flight)} in flight at the cancel, {len(executions)} executions")
    assert len(executions) == JOBS + len(twice)
    assert twice <= in_flight
