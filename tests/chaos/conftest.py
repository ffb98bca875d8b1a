"""What chaos needs: a seed that can be given again, clusters, and a place for summaries."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hpcbatch.disk.process_tree import kill
from tests.cluster.conftest import Harness
from tests.core import eventually

from .processes import elements_of, supervisors_of

SUMMARY = "chaos"


@pytest.fixture
def seed() -> int:
    """HPCBATCH_CHAOS_SEED, or a new one; a test that fails shows it."""
    chosen = int(os.environ.get("HPCBATCH_CHAOS_SEED") or random.SystemRandom().randrange(10**9))
    print(f"HPCBATCH_CHAOS_SEED={chosen}")
    return chosen


@pytest.fixture
def chance(seed: int) -> random.Random:
    return random.Random(seed)


@pytest.fixture
def tell(
    record_property: Callable[[str, object], None], request: pytest.FixtureRequest, seed: int
) -> Callable[[str], None]:
    """Shows a line below the results of all tests."""
    return lambda line: record_property(SUMMARY, f"{request.node.name}, seed {seed}: {line}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [
        report for group in ("passed", "failed") for report in terminalreporter.getreports(group)
    ]
    lines = [
        line
        for report in reports
        for name, line in report.user_properties
        if name == SUMMARY and report.when == "call"
    ]
    if lines:
        terminalreporter.section("chaos")
        for line in lines:
            terminalreporter.write_line(line)


CLUSTERS = [
    pytest.param("local", id="local"),
    pytest.param("slurm", id="slurm", marks=pytest.mark.slurm),
    pytest.param("sge", id="sge", marks=pytest.mark.sge),
]


@pytest.fixture
def cluster(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Harness]:
    """The cluster that a test is parametrized with; nothing of the test's is left on it."""
    made = Harness(request.param, "real", tmp_path, monkeypatch)
    made.configure(poll_seconds=[0.3, 0.6], grace=1.0)
    try:
        yield made
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a submission that never came about
            made.clean()
        spool = str(tmp_path / "local-spool")
        kill(supervisors_of(spool))
        eventually(lambda: not supervisors_of(spool), "supervisors to die")


@pytest.fixture
def nothing_lives(tmp_path: Path) -> Callable[[Any], None]:
    """Wait until nothing of a task's attempts is left on this machine."""

    def wait(task: Any) -> None:
        spool = str(tmp_path / "local-spool")
        eventually(lambda: not elements_of(task.id), "elements to end")
        eventually(lambda: not supervisors_of(spool), "supervisors to end")

    return wait
