"""How elements end on Slurm, and what the user is told of it, with accounting and without."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from tests.cluster.conftest import eventually

from .conftest import PAUSE, Real, Trial

pytestmark = pytest.mark.slurm
MEBIBYTE = 1 << 20


@pytest.fixture(params=["accounting", "no-accounting"])
def either(request: pytest.FixtureRequest) -> Real:
    """A Slurm with accounting and one without."""
    has_accounting = request.param == "accounting"
    made: Real = request.getfixturevalue("trial" if has_accounting else "slurm")
    said = made.call("sacct", "-n", check=False)
    assert ("storage is disabled" in said) != has_accounting
    return made


def test_endings_are_told(either: Real) -> None:
    def ends(how: str) -> None:
        import os
        import signal
        import time

        time.sleep(0.2)
        if how == "exits":
            os._exit(3)
        os.kill(os.getpid(), signal.SIGKILL)

    task = either.create(ends, ["exits", "killed"]).submit(chunk=1)
    assert either.reasons(task) == {0: "exit-code 3", 1: "killed"}
    exited, killed = (task.job(job).stats for job in (0, 1))
    assert (exited.code, exited.signal) == (3, None)
    assert (killed.code, killed.signal) == (None, signal.SIGKILL)
    assert exited.host
    assert killed.host


def test_canceled_element_is_told(either: Real) -> None:
    task = either.start(either.create(either.told(), range(2)), 2, chunk=1)
    either.call("scancel", either.element_of(task, 0))
    either.call("scancel", either.element_of(task, 1))
    assert either.reasons(task) == {0: "canceled", 1: "canceled"}


def test_memory_ends_an_element(trial: Trial) -> None:
    def grows(size: int) -> int:
        import time

        held = bytearray(size)
        time.sleep(3 if size > 1000 else 0)
        return len(held)

    task = trial.create(grows, [10, 400 * MEBIBYTE, 20])
    task.submit(chunk=3, resources={"memory": "100MB"})
    assert trial.reasons(task) == {1: "out-of-memory", 2: "out-of-memory"}
    task.resubmit(resources={"memory": "1GB"})
    assert trial.wait(task).done == 3


def test_memory_grows_with_each_try(trial: Trial) -> None:
    def grows(size: int) -> int:
        import time

        held = bytearray(size)
        time.sleep(3)
        return len(held)

    task = trial.create(grows, [150 * MEBIBYTE])
    options: dict[str, Any] = {
        "retries": 2,
        "retry_on": "out-of-memory",
        "retry_scale": {"memory": 4},
    }
    task.submit(resources={"memory": "100MB"}, **options)
    assert trial.wait(task).done == 1
    assert [attempt.resources["memory"] for attempt in trial.attempts(task)] == [
        100 * MEBIBYTE,
        400 * MEBIBYTE,
    ]


@pytest.mark.long
@pytest.mark.slow
def test_time_limit_and_warning(trial: Trial) -> None:
    """Slurm counts minutes, and looks for what is late twice a minute: all at once."""
    began = time.time()
    plain = trial.create(trial.told({1}), range(2))
    plain.submit(chunk=2, resources={"element_walltime": "1m"})
    warned = trial.create(trial.counting(), [0])
    warning = ["--signal=B:USR1@60"]
    warned.submit(resources={"element_walltime": "2m", "extra": warning})
    eventually(lambda: warned.status().expired == 1, "the warning", PAUSE)
    assert trial.reasons(warned) == {0: "timeout"}
    assert trial.lines()[-1] == "checkpoint"
    assert time.time() - began < 120
    status = plain.wait(timeout=180, progress=False)
    assert (status.done, status.reasons) == (1, {"timeout": 1})
    trial.open_gate()
    for task in (plain, warned):
        task.resubmit()
        assert trial.wait(task).done == len(task)
    assert trial.begun() == {0: 1, 1: 2}
