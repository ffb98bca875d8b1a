"""Slurm's words, as recorded from 22.05 and as other releases are known to differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hpcbatch.cluster.schedulers.slurm.scheduler import Slurm
from hpcbatch.cluster.shell import Output
from hpcbatch.words.errors import (
    CommandFailed,
    SubmissionDeferred,
    SubmissionRejected,
    SubmissionUnclear,
)
from hpcbatch.words.model import Ending
from hpcbatch.words.ranges import Ranges

Recorded = Callable[[str], tuple[str, int]]
slurm = Slurm()


def said(stdout: str = "", stderr: str = "", status: int = 0, argv: str = "squeue") -> Output:
    return Output((argv,), status, stdout, stderr)


def endings(text: str, argv: str) -> dict[tuple[str, int | None], Any]:
    found = slurm.parse_history(said(text, argv=argv))
    return {(ended.array, ended.index): ended.ending for ended in found}


def accounted(text: str) -> str:
    """Rows recorded with other fields, as if these had been asked for."""
    rows = []
    for line in text.splitlines()[1:]:
        job, _, state, code, memory, elapsed, _, _, host = line.split("|")
        rows.append(f"{job}|{state}|{code}|{int(elapsed[-2:])}|{memory}|1G|{host}|None")
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("stdout", "number"),
    [
        ("63\n", "63"),
        ("63;alpha\n", "63"),
        ("sbatch: using account default\n63\n", "63"),
        ("63;alpha\nRemember: scratch is emptied on Monday.\n", "63"),
        ("Quota: 12 of 100\n\n63\r\n", "63"),
    ],
)
def test_submitted(stdout: str, number: str) -> None:
    warned = "sbatch: warning: can't honor --ntasks-per-node set to 2\n"
    assert slurm.parse_submit(said(stdout, warned)) == number


@pytest.mark.parametrize(
    "stderr",
    [
        "sbatch: error: Batch job submission failed: Invalid partition name specified",
        "sbatch: error: Batch job submission failed: Invalid job array specification",
        "sbatch: error: Batch job submission failed: Invalid account or account/partition "
        "combination specified",
        "sbatch: error: Memory specification can not be satisfied",
        "sbatch: unrecognized option '--nosuch'",
    ],
)
def test_rejected(stderr: str) -> None:
    with pytest.raises(SubmissionRejected, match=r"(?s)ended with status 1.*sbatch: "):
        slurm.parse_submit(said("", stderr, 1, "sbatch"))


@pytest.mark.parametrize(
    "stderr",
    [
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller "
        "(connect failure)",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
        "sbatch: error: Batch job submission failed: Resource temporarily unavailable",
        "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job "
        "violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
        "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed",
        "sbatch: error: AssocGrpSubmitJobsLimit\nsbatch: error: Batch job submission failed",
        "sbatch: error: QOSGrpSubmitJobsLimit\nsbatch: error: Batch job submission failed",
    ],
)
def test_deferred(stderr: str) -> None:
    with pytest.raises(SubmissionDeferred):
        slurm.parse_submit(said("", stderr, 1, "sbatch"))


@pytest.mark.parametrize(
    "output",
    [
        said("", "sbatch: error: Batch job submission failed: Socket timed out on send/recv", 1),
        said("", "sbatch: error: Zero Bytes were transmitted or received", 1),
        said("63\n", "sbatch: error: something", 1),
        said("Your job is on its way.\n", "", 0),
        said("", "", -9),
    ],
)
def test_perhaps_submitted(output: Output) -> None:
    with pytest.raises(SubmissionUnclear):
        slurm.parse_submit(output)


def test_recorded_refusals(recorded: Recorded) -> None:
    text, _ = recorded("slurm/nodbd-submits.txt")
    refused = [line for line in text.splitlines() if "error" in line]
    assert refused
    for line in refused:
        with pytest.raises(SubmissionRejected):
            slurm.parse_submit(said("", line, 1, "sbatch"))


def test_listing_of_recorded_rows(recorded: Recorded) -> None:
    text, status = recorded("slurm/nodbd-squeue_fmt.txt")
    assert status == 0
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == 10]
    ours = "".join(f"{row[0]}|{row[5]}|{row[6]}|arr\n" for row in rows)
    found = slurm.parse_list(said(ours))
    assert len(found) == len(rows) > 80
    assert {s.array for s in found} == {"2"}
    assert {s.index for s in found} >= set(range(16, 50))
    assert {(s.word, s.running, s.why) for s in found} == {
        ("PENDING", False, "JobArrayTaskLimit"),
        ("RUNNING", True, ""),
    }


@pytest.mark.parametrize(
    "word", ["RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT"]
)
def test_running_words(word: str) -> None:
    assert slurm.parse_list(said(f"7_3|{word}|None|n\n"))[0].running


@pytest.mark.parametrize(
    "word",
    [
        *("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"),
        *("RESV_DEL_HOLD", "EXPEDITING", "POWER_UP_NODE", "NEVER_HEARD_OF"),
    ],
)
def test_waiting_and_unknown_words(word: str) -> None:
    (found,) = slurm.parse_list(said(f"7_3|{word}|BeginTime|n\n"))
    assert (found.running, found.word) == (False, word)
    assert found.why.startswith("BeginTime")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("7_3|PENDING|None|a|b|c", ("7", 3, "a|b|c", "")),
        ("7_3|PENDING|ReqNodeNotAvail, UnavailableNodes:n1|two words", None),
        ("7_3|PENDING|RaisedSignal:53(Real-time signal 19)|n", None),
        ("7|RUNNING||", ("7", None, "", "")),
        ("7+1|RUNNING|None|of several parts", ("7", None, "of several parts", "")),
        ("7_0|PENDING|(null)|n", ("7", 0, "n", "(null)")),
    ],
)
def test_free_text(row: str, expected: tuple[str, int | None, str, str] | None) -> None:
    (found,) = slurm.parse_list(said(f"{row}\n"))
    array, index, name, why = expected or ("7", 3, row.split("|")[3], row.split("|")[2])
    assert (found.array, found.index, found.name, found.why) == (array, index, name, why)


def test_name_of_two_lines_hides_no_row() -> None:
    text = "6|RUNNING|None|of another|tool\nsecond line|x\n7_3|RUNNING|None|ours\n"
    assert [(s.array, s.index) for s in slurm.parse_list(said(text))] == [("6", None), ("7", 3)]


def test_empty_listing() -> None:
    assert slurm.parse_list(said("")) == []
    assert slurm.parse_list(said("\n")) == []


@pytest.mark.parametrize(
    "output",
    [
        said("", "slurm_load_jobs error: Unable to contact slurm controller", 1),
        said("7_3|RUNNING|None|n\n", "slurm_load_jobs error: timed out", 1),
        said("", "squeue: error: Invalid user: nobody-here\n", 0),
        said("Welcome!\nMaintenance on Monday.\n"),
        said("             JOBID PARTITION     NAME     USER ST\n"),
        said("\x00\x01\ufffd\ufffd|||\n"),
        said("", "", -9),
    ],
)
def test_failed_listing_is_no_empty_one(output: Output) -> None:
    with pytest.raises(CommandFailed):
        slurm.parse_list(output)


def test_history_of_accounting(recorded: Recorded) -> None:
    text, _ = recorded("slurm/dbd-sacct_P-X.txt")
    found = endings(accounted(text), "sacct")
    assert len(found) == 41
    failed = found["4", 7]
    assert (failed.reason, failed.code, failed.signal, failed.host) == (
        "exit-code 3",
        3,
        None,
        "n1",
    )
    assert failed.elapsed == 2
    assert found["4", 49].reason == "ended"


@pytest.mark.parametrize(
    ("state", "code", "expected"),
    [
        ("COMPLETED", "0:0", ("ended", 0, None)),
        ("CANCELLED by 1001", "0:0", ("canceled", None, None)),
        ("CANCELLED", "0:15", ("canceled", None, 15)),
        ("CANCELLED+", "0:0", ("canceled", None, None)),
        ("TIMEOUT", "0:0", ("timeout", None, None)),
        ("TIMEOUT", "0:15", ("timeout", None, 15)),
        ("DEADLINE", "0:0", ("timeout", None, None)),
        ("OUT_OF_MEMORY", "0:125", ("out-of-memory", None, None)),
        ("OUT_OF_MEMORY", "0:9", ("out-of-memory", None, 9)),
        ("NODE_FAIL", "0:0", ("node-failure", None, None)),
        ("NODE_FAIL", "1:0", ("node-failure", None, None)),
        ("BOOT_FAIL", "0:0", ("node-failure", None, None)),
        ("PREEMPTED", "0:0", ("preempted", None, None)),
        ("FAILED", "3:0", ("exit-code 3", 3, None)),
        ("FAILED", "0:9", ("killed", None, 9)),
        ("FAILED", "0:53", ("launch-failure", None, None)),
        ("FAILED", "", ("exit-code 0", 0, None)),
    ],
)
def test_endings(state: str, code: str, expected: tuple[str, int | None, int | None]) -> None:
    line = f"JobId=9 ArrayJobId=7 ArrayTaskId=3 JobName=n JobState={state} Reason=x ExitCode={code}"
    for text, argv in ((f"7_3|{state}|{code}|2||1G|n1|x", "sacct"), (line, "scontrol")):
        found = endings(text, argv)["7", 3]
        assert (found.reason, found.code, found.signal) == expected


@pytest.mark.parametrize("state", ["RUNNING", "PENDING", "REQUEUED", "RESIZING", "NOT_KNOWN", ""])
def test_what_has_not_ended_is_no_ending(state: str) -> None:
    assert endings(f"7_3|{state}|0:0|2||1G|n1|x", "sacct") == {}
    line = f"ArrayJobId=7 ArrayTaskId=3 JobName=n JobState={state} ExitCode=0:0"
    assert endings(line, "scontrol") == {}


@pytest.mark.parametrize(
    "text",
    [
        "Slurm accounting storage is disabled\n",
        "",
        "\n|||||||\n",
        "7_x|FAILED|3:0|2|||n1|",
        "7|a|b",
    ],
)
def test_history_of_nothing(text: str) -> None:
    assert endings(text, "sacct") == {}
    assert endings(text, "scontrol") == {}


def test_history_of_steps_and_plain_jobs_is_passed_over() -> None:
    text = "7_3.batch|FAILED|3:0|2|10K||n1|\n59|CANCELLED|0:0|0|||None assigned|"
    assert endings(text, "sacct") == {}


def test_memory_comes_from_the_steps() -> None:
    rows = """
7_3|OUT_OF_MEMORY|0:125|61||96M|n1|None
7_3.batch|OUT_OF_MEMORY|0:125|61|98304K||n1|
7_3.extern|COMPLETED|0:0|61|1.50M||n1|
7_3.0|COMPLETED|0:0|5|2048||n1|
7_4|COMPLETED|0:0|1-02:03||1G|n2|None
7_4.batch|COMPLETED|0:0|1|||n2|
"""
    found = endings(rows, "sacct")
    assert found["7", 3] == Ending("out-of-memory", host="n1", elapsed=61.0, memory=98304 * 1024)
    assert found["7", 4] == Ending("ended", 0, host="n2")


def test_endings_of_accounting_recorded(recorded: Recorded) -> None:
    text, _ = recorded("slurm/dbd-sacct_endings.txt")
    found = endings(text, "sacct")
    assert {key: found.pop(key) for key in [("1", index) for index in range(7)]} == {
        ("1", 0): Ending("ended", 0, host="n1", elapsed=5.0, memory=213112 * 1024),
        ("1", 1): Ending("out-of-memory", None, 9, "n1", elapsed=3.0, memory=618284 * 1024),
        ("1", 2): Ending("killed", None, 9, "n1", elapsed=0.0),
        ("1", 3): Ending("exit-code 3", 3, host="n1", elapsed=0.0),
        ("1", 4): Ending("canceled", host="n1", elapsed=3.0, memory=1644 * 1024),
        ("1", 5): Ending("canceled", host="n1", elapsed=41.0, memory=1612 * 1024),
        ("1", 6): Ending("exit-code 4", 4, host="n1", elapsed=0.0),  # was requeued
    }
    assert found.pop(("2", 0)) == Ending("timeout", host="n1", elapsed=87.0, memory=1780 * 1024)
    dependent, held = Ending("dependency", elapsed=0.0), Ending("canceled", elapsed=0.0)
    assert found == {
        **{("3", index): dependent for index in range(3)},
        **{("4", index): held for index in range(4)},
    }


def test_endings_recorded(recorded: Recorded) -> None:
    text, _ = recorded("slurm/nodbd-scontrol_endings.txt")
    found = {index: ending for (_, index), ending in endings(text, "scontrol").items()}
    assert found == {
        0: Ending("killed", None, 9, "n1", elapsed=3.0),
        1: Ending("canceled", None, 15, "n1", elapsed=3.0),
        2: Ending("killed", None, 10, "n1", elapsed=3.0),
        3: Ending("exit-code 4", 4, None, "n1", elapsed=0.0),  # it was requeued, and ran again
    }
    text, _ = recorded("slurm/nodbd-scontrol_launch.txt")
    assert [e.reason for e in endings(text, "scontrol").values()] == ["launch-failure"]


def test_dependency_that_failed_recorded(recorded: Recorded) -> None:
    text, _ = recorded("slurm/nodbd-scontrol_dependency.txt")
    found = endings(text, "scontrol")
    assert {index for _, index in found} == {0, 1, 2}
    assert set(found.values()) == {Ending("dependency", elapsed=0.0)}
    cancelled = text.replace("Reason=DependencyNeverSatisfied", "Reason=Dependency")
    assert {e.reason for e in endings(cancelled, "scontrol").values()} == {"canceled"}


def test_stuck_recorded(recorded: Recorded) -> None:
    text, status = recorded("slurm/nodbd-squeue_stuck.txt")
    found = {s.name: s for s in slurm.parse_list(said(text, "", status))}
    assert {name for name, sighting in found.items() if sighting.stuck} == {
        *("waits", "cpus", "nodes", "rq", "held")
    }
    assert found["later"].why == "BeginTime"
    assert found["rq"].why == ("job requeued in held state: 'scontrol release 5855' lets it run")


@pytest.mark.parametrize(
    "why",
    [
        *("DependencyNeverSatisfied", "BadConstraints", "PartitionConfig", "PartitionTimeLimit"),
        *("PartitionNodeLimit", "AccountNotAllowed", "QOSNotAllowed", "InvalidQOS"),
        *("InvalidAccount", "JobHeldUser", "JobHeldAdmin", "launch failed requeued held"),
        *("launch_failed_requeued_held", "user env retrieval failed requeued held"),
        *("JobHoldMaxRequeue", "QOSMaxCpuPerJobLimit", "AssocMaxWallDurationPerJobLimit"),
        *("QOSMaxMemoryPerJob", "QOSMinCpuNotSatisfied", "QOSMinGRES", "QOSMaxCpuPerNode"),
        "ReservationDeleted",
    ],
)
def test_reasons_that_never_pass(why: str) -> None:
    (found,) = slurm.parse_list(said(f"7_3|PENDING|{why}|n\n"))
    assert found.stuck
    assert found.why.startswith(f"{why}: ")


@pytest.mark.parametrize(
    "why",
    [
        *("Resources", "Priority", "Dependency", "BeginTime", "Licenses", "Reservation"),
        *("JobArrayTaskLimit", "PartitionDown", "PartitionInactive", "NodeDown", "Prolog"),
        *("QOSGrpCpuLimit", "QOSMaxJobsPerUserLimit", "QOSMaxCpuPerUserLimit", "AssocMaxJobsLimit"),
        *("AssocGrpCpuLimit", "ReqNodeNotAvail, UnavailableNodes:n2", "Cleaning", "None", ""),
        "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority "
        "partitions",
        "NEVER_HEARD_OF",
    ],
)
def test_reasons_that_pass(why: str) -> None:
    (found,) = slurm.parse_list(said(f"7_3|PENDING|{why}|n\n"))
    assert not found.stuck
    assert found.why == ("" if why == "None" else why)


@pytest.mark.parametrize("word", ["REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"])
def test_states_that_are_held(word: str) -> None:
    (found,) = slurm.parse_list(said(f"7_3|{word}|NonZeroExitCode|n\n"))
    assert found.stuck
    assert "scontrol release 7" in found.why


def test_what_runs_is_not_stuck() -> None:
    (found,) = slurm.parse_list(said("7_3|RUNNING|JobHeldUser|n\n"))
    assert (found.stuck, found.why) == (False, "JobHeldUser")


def test_elements_cancelled_while_waiting() -> None:
    line = "JobId=7 ArrayJobId=7 ArrayTaskId=0,2,5-9%2 JobName=n JobState=CANCELLED ExitCode=0:0"
    assert {index for _, index in endings(line, "scontrol")} == {0, 2, 5, 6, 7, 8, 9}
    found = endings("74_[16,18-19%8]|CANCELLED by 1|0:0|0||1G|None assigned|x", "sacct")
    assert {(index, ending.host) for (_, index), ending in found.items()} == {
        (16, ""),
        (18, ""),
        (19, ""),
    }


def test_waiting_elements_have_not_ended(recorded: Recorded) -> None:
    text, _ = recorded("slurm/nodbd-scontrol_show_task_o.txt")
    assert endings(text, "scontrol") == {}
    assert endings(text.replace("ArrayTaskId=50", "ArrayTaskId=5-9%2"), "scontrol") == {}


@pytest.mark.parametrize(
    "reason", ["RaisedSignal:9(Killed)", "RaisedSignal:53(Real-time signal 19)", "JobLaunchFailure"]
)
def test_reasons_and_free_text_of_newer_releases(recorded: Recorded, reason: str) -> None:
    text, _ = recorded("slurm/nodbd-scontrol_show_task_o.txt")
    line = text.replace(
        "JobState=PENDING Reason=JobArrayTaskLimit", f"JobState=FAILED Reason={reason}"
    )
    line = line.replace("ExitCode=0:0", "ExitCode=0:9").strip()
    line += " SubmitLine=sbatch --comment JobState=COMPLETED ExitCode=7:0 ArrayTaskId=4 --parsable"
    (found,) = endings(line, "scontrol").items()
    assert found[0] == ("2", 50)
    assert (found[1].reason, found[1].signal) == ("killed", 9)


def test_out_of_memory_recorded(recorded: Recorded) -> None:
    text, _ = recorded("slurm/dbd-oom_cgroup.txt")
    rows = [line.split() for line in text.splitlines() if line.startswith("142_")]
    found = endings(
        "\n".join(f"{r[0]}|{r[2]}|{r[3]}|1||1G|n1|" for r in rows[:2] if len(r) > 4), "sacct"
    )
    assert {ending.reason for ending in found.values()} == {"out-of-memory"}


def test_recording_of_scontrol(recorded: Recorded) -> None:
    text, _ = recorded("slurm/nodbd-scontrol_all.txt")
    found = endings(text, "scontrol")
    reasons = {index: ending.reason for (array, index), ending in found.items() if array == "2"}
    assert set(reasons.values()) == {"ended", "exit-code 3"}
    assert all(index % 10 == 7 for index, reason in reasons.items() if reason != "ended")


def test_history_asks_from_before_the_submission() -> None:
    *controller, accounting = slurm.history_argv(["7", "8"], 1_700_000_000.0)
    assert accounting[:5] == ["sacct", "-P", "-n", "-j", "7,8"]
    assert controller == [["scontrol", "-o", "show", "job", array] for array in ("7", "8")]


def test_limits() -> None:
    text = "Configuration data\nMaxArraySize            = 100001\nMaxJobCount  = 10000\n"
    assert slurm.parse_limits(said(text)).array == 100001
    for output in (said("Welcome!"), said(text, "timed out", 1)):
        with pytest.raises(CommandFailed):
            slurm.parse_limits(output)


def test_cancelling_many_that_are_no_neighbours() -> None:
    scattered = Ranges((at, at + 1) for at in range(100_000, 200_000, 2))
    commands = slurm.cancel_argv("7", scattered)
    assert all(len(argument) < 1 << 17 for command in commands for argument in command)
    told = ",".join(command[-1][len("7_[") : -1] for command in commands)
    assert Ranges.parse(told) == scattered


def test_cancelling() -> None:
    assert slurm.cancel_argv("7", None) == [["scancel", "7"]]
    assert slurm.cancel_argv("7", Ranges.of([3, 7, 8, 9])) == [["scancel", "7_[3,7-9]"]]
    gone = "scancel: error: Kill job error on job id 7: "
    slurm.parse_cancel(said("", f"{gone}Invalid job id specified", 1))
    slurm.parse_cancel(said("", f"{gone}Job/step already completing or completed", 1))
    with pytest.raises(CommandFailed):
        slurm.parse_cancel(said("", f"{gone}Access/permission denied", 1))
