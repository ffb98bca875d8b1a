"""What Torque says otherwise than OpenPBS, as its sources and manuals have it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.cluster.schedulers.torque import Torque
from hpcbatch.cluster.shell import Output
from hpcbatch.words.errors import CommandFailed, SubmissionDeferred, SubmissionRejected
from hpcbatch.words.ranges import Ranges

torque = Torque()

TABLE = """
server.example.org:
                                                                                  Req'd       Req'd       Elap
Job ID                  Username    Queue    Jobname          SessID  NDS   TSK   Memory      Time    S   Time
----------------------- ----------- -------- ---------------- ------ ----- ------ --------- --------- - ---------
7[1].server.example.org hpcuser     batch    t0123456789abcd-   4321     1      1       --   01:00:00 R  00:00:10
7[12].server.example.or hpcuser     batch    t0123456789abcd-    --      1      1       --   01:00:00 Q       --
   Not Running: No idle nodes
7[3].server.example.org hpcuser     batch    t0123456789abcd-    --      1      1       --   01:00:00 H       --
7[4].server.example.org hpcuser     batch    t0123456789abcd-   4322     1      1       --   01:00:00 C       --
8.server.example.org    hpcuser     batch    sweep              4323     1      1       --   01:00:00 E  00:00:10
"""  # noqa: E501


def said(stdout: str = "", stderr: str = "", status: int = 0, argv: str = "qstat") -> Output:
    return Output((argv,), status, stdout, stderr)


def record(**fields: str) -> str:
    told = {"Job_Name": "sweep-2", "job_state": "C", "exec_host": "node1/0+node1/1", **fields}
    lines = (f"    {name.replace('__', '.')} = {value}\n" for name, value in told.items())
    return f"Job Id: 7[2].server\n{''.join(lines)}\n"


def ending(text: str) -> Any:
    (found,) = torque.parse_history(said(text))
    assert (found.array, found.index) == ("7[]", 2)
    return found.ending


def test_listing() -> None:
    found = {(s.array, s.index): s for s in torque.parse_list(said(TABLE))}
    assert {key: (s.word, s.running) for key, s in found.items()} == {
        ("7[]", 1): ("R", True),
        ("7[]", 12): ("Q", False),
        ("7[]", 3): ("H", False),
        ("8", 1): ("E", True),
    }
    assert {s.name for s in found.values()} == {"t0123456789abcd", "sweep"}
    assert found["7[]", 12].why == "Not Running: No idle nodes"
    assert not any(s.stuck for s in found.values())


@pytest.mark.parametrize(
    "output", [said("", "cannot connect", 111), said("Welcome!"), said(TABLE, "", 153)]
)
def test_failed_listing_is_no_empty_one(output: Output) -> None:
    with pytest.raises(CommandFailed):
        torque.parse_list(output)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"exit_status": "0"}, "ended"),
        ({"exit_status": "3"}, "exit-code 3"),
        ({"exit_status": "-11"}, "timeout"),
        ({"exit_status": "-10"}, "out-of-memory"),
        ({"exit_status": "-3"}, "launch-failure"),
        ({"exit_status": "265"}, "killed"),
        ({"exit_status": "271"}, "canceled"),
        (
            {
                "exit_status": "271",
                "Resource_List__walltime": "00:00:05",
                "resources_used__walltime": "00:00:09",
            },
            "timeout",
        ),
        (
            {
                "exit_status": "271",
                "exec_host": "",
                "depend": "afterokarray:6[].server",
                "comment": "Job 7[].server deleted because its dependency of arr\n\tay 6[].server "
                "can never be satisfied",
            },
            "dependency",
        ),
        ({"exit_status": "271", "exec_host": ""}, "canceled"),
        ({}, "canceled"),
    ],
)
def test_why_an_element_ended(fields: dict[str, str], reason: str) -> None:
    assert ending(record(**fields)).reason == reason


def test_ending_in_full() -> None:
    used = {"resources_used__mem": "3624kb", "resources_used__walltime": "00:01:00"}
    folded = {"Error_Path": "server:/projects/trans_scratch/validations/workspa\n        ce/e7"}
    found = ending(record(exit_status="3", **used, **folded))
    assert (found.code, found.signal, found.host) == (3, None, "node1")
    assert (found.elapsed, found.memory) == (60.0, 3624 * 1024)


def test_history_of_what_lives_or_is_unknown() -> None:
    assert list(torque.parse_history(said(record(job_state="R")))) == []
    assert list(torque.parse_history(said("", "qstat: Unknown Job Id 9[]", 153))) == []
    assert torque.history_argv(["7[]", "8[]"], 0.0) == [
        ["qstat", "-t", "-f", "7[]"],
        ["qstat", "-t", "-f", "8[]"],
    ]


def test_submitted() -> None:
    assert torque.parse_submit(said("7[].server.example.org\n", argv="qsub")) == "7[]"
    many = "qsub: submit error (Maximum number of jobs already in queue for user MSG=total number)"
    with pytest.raises(SubmissionDeferred):
        torque.parse_submit(said("", many, 228, "qsub"))
    unknown = "qsub: submit error (Unknown queue MSG=cannot locate queue)"
    with pytest.raises(SubmissionRejected):
        torque.parse_submit(said("", unknown, 172, "qsub"))


@given(st.sets(st.integers(1, 10**5), min_size=1, max_size=2000))
def test_cancelling_names_each_element_once(indices: set[int]) -> None:
    named: list[int] = []
    for program, option, text, array in torque.cancel_argv("7[]", Ranges.of(indices)):
        assert (program, option, array) == ("qdel", "-t", "7[]")
        assert len(text) < 10_000
        named += Ranges.parse(text)
    assert named == sorted(indices)


def test_cancelling_all() -> None:
    assert torque.cancel_argv("7[]", None) == [["qdel", "7[]"]]
    ended = "qdel: Request invalid for state of job MSG=invalid state for job - COMPLETE 7[].server"
    torque.parse_cancel(said("", ended, 168, "qdel"))


def test_limits() -> None:
    text = "Server: server\n    server_state = Active\n"
    assert torque.parse_limits(said(text)).array is None
    assert torque.parse_limits(said(f"{text}    max_job_array_size = 100\n")).array == 100
