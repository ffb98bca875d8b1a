"""The log of one job is its own, though its element's jobs print to one file."""

from __future__ import annotations

from tests.core import eventually
from tests.local import Local, configured


def test_a_log_is_of_one_job_also_where_its_element_died(local: Local) -> None:
    def job(k: int) -> int:
        import os

        print(f"said by {k}", flush=True)
        return k if k < 2 else os._exit(3)  # type: ignore[func-returns-value]

    task = local.create(job, range(4))
    local.run(task, chunk=4)
    assert [task.job(k).log() for k in range(4)] == [
        "said by 0\n",
        "said by 1\n",
        "said by 2\n",
        "",
    ]


def test_what_keeps_all_jobs_from_beginning_is_in_the_log_of_each(local: Local) -> None:
    configured(setup=["echo no such module", "exit 3"])
    task = local.create(lambda k: k, range(2))
    local.run(task, chunk=2)
    for job in task.jobs():
        assert "no such module" in job.log()


def test_a_job_that_waits_in_a_running_element_has_printed_nothing(local: Local) -> None:
    gate = local.gate

    def job(k: int) -> None:
        import os
        import time

        print(f"begin {k}", flush=True)
        while k and not os.path.exists(gate):
            time.sleep(0.02)

    task = local.create(job, range(3))
    task.submit("local", chunk=3)
    eventually(lambda: task.job(1).log() == "begin 1\n", "the second to begin")
    assert (task.job(0).log(), task.job(2).log()) == ("begin 0\n", "")
    local.open_gate()
    local.wait(task)
