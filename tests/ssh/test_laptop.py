"""examples/laptop, step by step; in between the connection is cut, as by a laptop that closes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import hpcbatch as hb
from hpcbatch.sites.ssh.site import Ssh
from tests.core import ROOT, run_python

from .sshd import USER_CONFIG, Host, Sshd

pytestmark = [pytest.mark.slow, pytest.mark.sshd]
HELD = """\
  held:
    scheduler: local
    poll_seconds: [0.3, 0.6]
    grace: 0.2
    setup: ["until [ -e GATE ]; do sleep 0.1; done"]
"""
UNFINISHED = [3, 7, 8]


@pytest.fixture
def gate(host: Host) -> Iterator[Path]:
    """What elements on the cluster ``held`` wait for before they begin a job."""
    gate, config = host.home / "gate-laptop", host.home / ".config/hpcbatch/hpcbatch.yaml"
    config.write_text(USER_CONFIG + HELD.replace("GATE", str(gate)))
    try:
        yield gate
    finally:
        gate.touch()  # should the test have failed
        config.write_text(USER_CONFIG)


def test_the_laptop_is_closed_in_between(site: Ssh, sshd: Sshd, gate: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples/laptop", tmp_path / "laptop")

    def step(*words: str) -> str:
        ended = run_python(["percolation.py", *words], cwd=tmp_path / "laptop")
        assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    small = ("--cluster", "held", "--size", "12", "--squares", "20")
    task = hb.restore(step("submit", "ssh://login", *small).strip(), site=site)
    assert task.status().done == 0
    assert sshd.cut()

    assert task.id in step("status", "ssh://login")
    task.cancel(jobs=UNFINISHED)
    gate.touch()
    assert task.wait(60, progress=False).done == 7
    assert [job.index for job in task.jobs("canceled")] == UNFINISHED
    assert "has the 3 unfinished jobs" in step("resume", "ssh://login", "--task", task.id)

    told = step("report", "ssh://login", "--task", task.id)
    parts = [float(line.split()[1]) for line in told.splitlines()]
    assert len(parts) == 10
    assert parts[0] < 0.5 < parts[-1]
    assert "nothing to submit" in step("resume", "ssh://login")
