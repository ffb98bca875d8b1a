"""What LSF does apart from the others, on fakes of both dialects."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import hpcbatch as hb
from hpcbatch.cluster.shell import user_name

from .conftest import DIALECTS, Harness, eventually, use_fake
from .test_lsf_parsing import recorded


@pytest.fixture(params=DIALECTS["lsf"])
def lsf(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Harness]:
    use_fake("lsf", tmp_path / "state", monkeypatch, request.param)
    made = Harness("lsf", "fake", tmp_path, monkeypatch)
    made.dialect = request.param
    yield made
    made.clean()


def ran(*argv: str) -> tuple[str, str, int]:
    env = {**os.environ, "LSB_NTRIES": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, env=env, timeout=60, check=False)
    return done.stdout, done.stderr, done.returncode


def test_limits_are_asked_of_the_cluster(lsf: Harness) -> None:
    (lsf.state / "MAX_JOB_ARRAY_SIZE").write_text("3")
    (lsf.state / "lsf.conf").write_text("LSB_JOB_MEMLIMIT=Y\nLSF_UNIT_FOR_LIMITS=MB\n")
    task = lsf.create(lambda x: x, range(5)).submit(chunk=1, resources={"memory": "1500MB"})
    assert [array.count for array in lsf.attempts(task)[0].arrays] == [3, 2]
    assert "#BSUB -M 1500\n" in lsf.script(task)
    lsf.wait(task)
    assert task.collect() == list(range(5))


def test_the_unit_that_is_configured_stands(lsf: Harness) -> None:
    lsf.configure(memory_unit="GB")
    task = lsf.create(lambda x: x, [1]).submit(resources={"memory": "1500MB"})
    assert "#BSUB -M 2\n" in lsf.script(task)


def test_a_user_with_too_many_pending_jobs_waits(lsf: Harness) -> None:
    (lsf.state / "full").touch()
    task = lsf.create(lambda x: x, [1])
    with pytest.raises(hb.SubmissionDeferred, match="threshold reached"):
        task.submit()


def test_a_task_named_like_a_directive(lsf: Harness) -> None:
    task = lsf.create(lambda x: x, [1], name="BSUB -q nosuch").submit()
    lsf.wait(task)
    assert task.collect() == [1]


def test_signals_of_a_cancellation(lsf: Harness) -> None:
    notes = "; ".join(f"trap 'echo {name} >>log' {name}" for name in ("INT", "TERM"))
    array = lsf.array(f"{notes}; echo up >>log; while :; do sleep 0.05; done")
    eventually(lambda: lsf.lines() == ["up"], "the element to run")
    lsf.cluster.cancel(array)
    assert lsf.alive(array)[1].word == "RUN"
    ending = lsf.endings(array, 1)[1]
    assert lsf.lines() == ["up", "INT", "TERM"]
    assert (ending.signal, ending.reason) == (9, "canceled" if lsf.dialect == "ibm" else "killed")


@pytest.mark.slow
def test_signals_of_the_run_limit(lsf: Harness) -> None:
    body = "trap 'echo USR2 >>log' USR2; echo up >>log; until [ -e gate ]; do sleep 0.05; done"
    array = lsf.array(body, walltime=60)
    eventually(lambda: lsf.lines() == ["up", "USR2"], "the warning")
    if lsf.dialect == "openlava":  # which leaves it at that
        assert lsf.alive(array)[1].running
        lsf.open_gate()
        assert lsf.endings(array, 1)[1].reason == "ended"
    else:
        assert lsf.endings(array, 1)[1].reason == "timeout"


def test_what_was_pending_is_canceled_and_has_no_code(lsf: Harness) -> None:
    array = lsf.array("until [ -e gate ]; do sleep 0.05; done", 3, throttle=1)
    eventually(lambda: lsf.alive(array)[1].running, "the first element to run")
    lsf.cluster.cancel(array)
    found = lsf.endings(array, 3)
    assert {ending.reason for ending in found.values()} == {"canceled"}
    assert [found[index].elapsed is None for index in (1, 2, 3)] == [False, True, True]


def test_the_fakes_say_what_was_recorded(lsf: Harness) -> None:
    array = lsf.array("until [ -e gate ]; do sleep 0.05; done", 3, throttle=1)
    eventually(lambda: lsf.alive(array)[1].running, "the first element to run")

    def alike(name: str, known: str, *argv: str) -> None:
        output = recorded(name)
        said = (output.stdout.replace(known, array), output.stderr.replace(known, array))
        assert ran(*argv) == (*said, output.status)

    alike("bkill_unknown", "nothing", "bkill", "99999")
    alike("bjobs_unknown", "nothing", "bjobs", "-UF", "99999")
    if lsf.dialect == "openlava":
        alike("bkill_array", "112", "bkill", array)
    else:
        assert ran("bkill", array) == (f"Job <{array}> is being terminated\n", "", 0)
    eventually(lambda: not lsf.alive(array), "the array to leave the listing")
    alike("bkill_finished", "112", "bkill", array)
    alike("bjobs_empty", "nothing", *lsf.scheduler.list_argv(user_name()))
    if lsf.dialect == "openlava":
        fields = ("-noheader", "-o", "jobid jobindex stat exit_code")
        alike("bjobs_o_jobindex", "nothing", "bjobs", "-u", user_name(), *fields)
