"""The fakes of OpenPBS say what was recorded of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpcbatch.cluster.schedulers.pbs.scheduler import Pbs
from hpcbatch.cluster.shell import Output

from .conftest import FAKES, engine, eventually, use_fake
from .test_pbs_parsing import recorded

pbs = Pbs()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    use_fake("pbs", tmp_path / "state", monkeypatch)
    yield tmp_path / "state"
    engine.end_all(tmp_path / "state")


def run(*argv: str, stdin: str = "") -> Output:
    program = str(FAKES / "pbs" / argv[0])
    done = subprocess.run(
        [program, *argv[1:]], input=stdin, capture_output=True, text=True, check=False, timeout=60
    )
    return Output(argv, done.returncode, done.stdout, done.stderr)


def submit(*directives: str, body: str = "true") -> Output:
    lines = ["#!/bin/bash", *(f"#PBS {directive}" for directive in directives), body, ""]
    return run("qsub", stdin="\n".join(lines))


@pytest.mark.parametrize(
    ("name", "directives"),
    [
        ("06", ["-J 3-3"]),
        ("09h", ["-J 1,3,7"]),
        ("08", ["-J 0-20000"]),
        ("09", ["-q nosuch"]),
        ("09b", ["-q short", "-l walltime=01:00:00"]),
    ],
)
def test_refusals(name: str, directives: list[str]) -> None:
    told, expected = submit(*directives), recorded(name)
    assert (told.status, told.stdout) == (expected.status, "")
    assert told.stderr == expected.stderr


def test_an_array_that_may_not_run_again_is_refused() -> None:
    assert "non-rerunable" in submit("-J 0-1", "-r n").stderr
    assert submit("-r n").status == 0


def test_finished_and_unknown_ids() -> None:
    array = pbs.parse_submit(submit("-J 0-1"))
    eventually(lambda: run("qstat", array).status == 35)
    assert run("qstat", array).stderr == recorded("48").stderr.replace("16[]", array)
    other = pbs.parse_submit(submit("-h -J 0-1", body="sleep 60"))
    both = run("qstat", "-t", "-f", "99[]", other)
    assert (both.status, both.stdout.count("Job Id: ")) == (153, 3)
    assert run("qdel", "99[]", array, other).status == 35
    pbs.parse_cancel(run("qdel", "99[]", array))


def test_deleted_elements_carry_the_status_of_their_array() -> None:
    array = pbs.parse_submit(
        submit("-J 0-9%1", body='[ "$PBS_ARRAY_INDEX" = 0 ] && exit 3; sleep 9')
    )
    eventually(lambda: " X " in run("qstat", "-t").stdout)
    assert run("qdel", "1[5-7].pbshost").status == 0
    listed = run("qstat", "-t").stdout
    assert [listed.count(f" {word} ") for word in "XRQ"] == [4, 1, 5]
    text = run("qstat", "-t", "-x", "-f", array).stdout
    assert text.count("Exit_status = 1\n") == 1 + 8  # the array's, and of those that never ran
    found = {
        e.index: e.ending.reason for e in pbs.parse_history(run("qstat", "-t", "-x", "-f", array))
    }
    assert found == {0: "exit-code 3", **dict.fromkeys((5, 6, 7), "canceled")}


def test_what_waits_for_an_unknown_job_is_taken_and_deleted() -> None:
    job = pbs.parse_submit(submit("-W depend=afterany:31[]"))
    eventually(lambda: run("qstat", job).status == 35)


def test_json_is_none() -> None:
    array = pbs.parse_submit(submit("-J 0-1", body="sleep 60"))
    assert ":nan" in run("qstat", "-f", "-F", "json", array).stdout
