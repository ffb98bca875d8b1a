"""Limits that end elements on Grid Engine."""

from __future__ import annotations

import pytest

from tests.core import eventually

from .conftest import Real

pytestmark = pytest.mark.sge
MEBIBYTE = 1 << 20


def test_walltime_ends_an_element(sge: Real) -> None:
    task = sge.create(sge.told({1}), range(3))
    task.submit(chunk=3, resources={"element_walltime": 3})
    assert sge.reasons(task) == {1: "timeout", 2: "timeout"}
    sge.open_gate()
    task.resubmit(resources={"element_walltime": 60})
    assert sge.wait(task).done == 3
    assert sge.begun() == {0: 1, 1: 2, 2: 1}


def test_soft_limit_is_a_warning(sge: Real) -> None:
    task = sge.create(sge.counting(), [0])
    task.submit(resources={"element_walltime": 60, "extra": ["-notify", "-l s_rt=2"]})
    assert sge.reasons(task) == {0: "timeout"}
    assert sge.lines()[-1] == "checkpoint"
    sge.open_gate()
    task.resubmit(resources={"extra": []})
    assert sge.wait(task).done == 1


def test_checkpoint_ahead_of_the_limit(sge: Real) -> None:
    task = sge.create(sge.counting(), [0]).submit(resources={"walltime": 6})
    assert sge.reasons(task) == {0: "timeout"}
    assert sge.lines()[-1] == "checkpoint"
    steps = len(sge.lines()) - 1
    sge.open_gate()
    task.resubmit()
    assert sge.wait(task).done == 1
    assert task.collect() == [steps]


def test_memory_that_a_job_asks_for_is_refused(sge: Real) -> None:
    """h_vmem is a limit of each process: the call itself fails, and tells so."""
    task = sge.create(lambda size: len(bytearray(size)), [10, 400 * MEBIBYTE, 20])
    task.submit(chunk=3, resources={"memory": "200MB"})
    assert sge.wait(task).done == 2
    assert task.job(1).reason == "MemoryError"
    task.resubmit(resources={"memory": "1GB"})
    assert sge.wait(task).done == 3


def test_memory_of_all_processes_ends_an_element(sge: Real) -> None:
    def grows(children: int) -> int:
        import os
        import time

        for _ in range(children):
            if os.fork() == 0:
                held = bytearray(100 * 1024 * 1024)
                time.sleep(60)
                os._exit(len(held) > 0)
        time.sleep(60 if children else 0)
        return children

    task = sge.create(grows, [0, 4, 0])
    task.submit(chunk=3, resources={"memory": "250MB"})
    assert sge.reasons(task) == {1: "out-of-memory", 2: "out-of-memory"}


def test_a_request_that_can_never_be_met_is_told(sge: Real) -> None:
    task = sge.create(lambda x: x, range(2)).submit(resources={"memory": "900GB"})
    told = eventually(
        lambda: [note for note in task.status().notes if "may never run" in note], "the doubt"
    )
    assert "h_vmem" in told[0]
    task.cancel()
