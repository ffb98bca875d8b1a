"""Submissions that take turns."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpcbatch.cluster import submission_turns
from hpcbatch.cluster.cluster import Cluster
from hpcbatch.cluster.profile import ClusterConfig

TAKE_FIVE = """
import sys, time
from hpcbatch.cluster.cluster import Cluster
from hpcbatch.cluster.profile import ClusterConfig
from hpcbatch.cluster.submission_turns import wait_for_turn

cluster = Cluster(ClusterConfig("local", "local", submissions_per_second=20.0))
for _ in range(5):
    wait_for_turn(sys.argv[1], cluster)
    print(time.time())
"""


def cluster(rate: float) -> Cluster:
    return Cluster(ClusterConfig("local", "local", submissions_per_second=rate))


def test_processes_share_the_rate(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", TAKE_FIVE, str(tmp_path)]
    running = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    taken = sorted(
        float(line) for each in running for line in each.communicate(timeout=60)[0].split()
    )
    assert len(taken) == 15
    assert taken[-1] - taken[0] > 0.5  # 14 pauses of 0.05 s, and one of them may be told late


def test_a_clock_that_was_set_back_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission_turns.wait_for_turn(str(tmp_path), cluster(0.01))
    (last,) = (path for path in (tmp_path / "polls").iterdir() if path.suffix != ".lock")
    os.utime(last, (time.time() + 3600, time.time() + 3600))
    monkeypatch.setattr(
        submission_turns.time, "sleep", lambda seconds: pytest.fail(f"slept {seconds} s")
    )
    submission_turns.wait_for_turn(str(tmp_path), cluster(0.01))


def test_where_nothing_can_be_kept_nobody_waits(tmp_path: Path) -> None:
    (tmp_path / "polls").touch()
    submission_turns.wait_for_turn(str(tmp_path), cluster(0.01))
    submission_turns.wait_for_turn(str(tmp_path), cluster(0.01))
