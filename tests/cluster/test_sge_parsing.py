"""Grid Engine's words, as recorded from Son of Grid Engine 8.1.9."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hpcbatch.cluster.schedulers.sge.scheduler import GridEngine
from hpcbatch.cluster.shell import Output
from hpcbatch.words.errors import (
    CommandFailed,
    SubmissionDeferred,
    SubmissionRejected,
    SubmissionUnclear,
)
from hpcbatch.words.ranges import Ranges

Recorded = Callable[[str], tuple[str, int]]
sge = GridEngine()
RULE = "=" * 62


def said(stdout: str = "", stderr: str = "", status: int = 0, argv: str = "qstat") -> Output:
    return Output((argv,), status, stdout, stderr)


def endings(text: str) -> dict[tuple[str, int | None], Any]:
    return {(e.array, e.index): e.ending for e in sge.parse_history(said(text, argv="qacct"))}


def job(state: str, tasks: str = "", name: str = "n") -> str:
    shown = f"<tasks>{tasks}</tasks>" if tasks else ""
    return (
        "<?xml version='1.0'?><job_info><queue_info></queue_info><job_info><job_list>"
        f"<JB_job_number>7</JB_job_number><JB_name>{name}</JB_name><state>{state}</state>{shown}"
        "</job_list></job_info></job_info>"
    )


@pytest.mark.parametrize(
    ("stdout", "number"),
    [
        ("18.1-3:1\n", "18"),
        ("18\n", "18"),
        ("Your project is NONE.\n18.1-3:1\n", "18"),
        ("18.1-3:1\nThank you.\n", "18"),
    ],
)
def test_submitted(stdout: str, number: str) -> None:
    assert sge.parse_submit(said(stdout, argv="qsub")) == number


def test_recorded_refusals(recorded: Recorded) -> None:
    text, _ = recorded("sge/submits.txt")
    refused = [line for line in text.splitlines() if line.startswith("Unable to run job")]
    assert len(refused) == 5
    for line in refused:
        with pytest.raises(SubmissionRejected, match="Unable to run job"):
            sge.parse_submit(said("", f"{line}\nExiting.", 1, "qsub"))


@pytest.mark.parametrize(
    "stderr",
    [
        "Unable to run job: job rejected: only 50 jobs are allowed per user (current job count: "
        "50)",
        "Unable to run job: job rejected: Only 9000 jobs are allowed per cluster",
        'error: unable to send message to qmaster using port 6444 on host "h": got send error',
        "error: commlib error: got select error (Connection refused)",
        "Unable to initialize environment because of error: cannot register event client: unable "
        "to contact qmaster",
    ],
)
def test_deferred(stderr: str) -> None:
    with pytest.raises(SubmissionDeferred):
        sge.parse_submit(said("", stderr, 1, "qsub"))


def test_perhaps_submitted() -> None:
    stderr = "error: failed receiving gdi request response for mid=1 (got syncron message receive "
    with pytest.raises(SubmissionUnclear):
        sge.parse_submit(said("", f"{stderr}timeout error).", 1, "qsub"))


def test_listing_recorded(recorded: Recorded) -> None:
    text, status = recorded("sge/qstat_xml.txt")
    found = {(s.index): s for s in sge.parse_list(said(text, "", status))}
    assert set(found) == set(range(9, 101))
    assert {i for i, s in found.items() if s.running} == set(range(9, 17))
    assert {(s.array, s.name) for s in found.values()} == {("3", "arr")}


def test_listing_of_states_recorded(recorded: Recorded) -> None:
    text, status = recorded("sge/qstat_states_xml.txt")
    found = [(s.name, s.index, s.word, s.running, s.stuck) for s in sge.parse_list(said(text))]
    assert status == 0
    assert found == [
        ("resched", None, "Rr", True, False),
        ("toobig", None, "qw", False, False),
        ("eqw", None, "Eqw", False, True),
        ("eqwd", None, "Eqw", False, True),
        ("ex100", None, "Eqw", False, True),
        ("eqwarr", 1, "Eqw", False, True),
        ("eqwarr", 2, "Eqw", False, True),
        ("eqwarr", 3, "Eqw", False, True),
        ("held", None, "hqw", False, False),
    ]


@pytest.mark.parametrize(
    "word", ["r", "t", "hr", "Rr", "Rt", "s", "ts", "S", "tS", "T", "tT", "dr", "dt", "dRr", "dS"]
)
def test_running_letters(word: str) -> None:
    assert sge.parse_list(said(job(word)))[0].running


@pytest.mark.parametrize(
    "word", ["qw", "hqw", "Rq", "hRwq", "Eqw", "Ehqw", "EhRqw", "dqw", "?", ""]
)
def test_waiting_and_unknown_letters(word: str) -> None:
    (found,) = sge.parse_list(said(job(word)))
    assert (found.running, found.word) == (False, word)


@pytest.mark.parametrize(
    ("tasks", "indices"),
    [
        ("9", {9}),
        ("17-20:1", {17, 18, 19, 20}),
        ("1-9:4", {1, 5, 9}),
        ("1-2:1,5,8-10:2", {1, 2, 5, 8, 10}),
        ("7-8", {7, 8}),
    ],
)
def test_tasks(tasks: str, indices: set[int]) -> None:
    assert {s.index for s in sge.parse_list(said(job("qw", tasks)))} == indices


def test_names_are_unescaped() -> None:
    assert sge.parse_list(said(job("qw", name="a&lt;b&amp;c|d")))[0].name == "a<b&c|d"


def test_empty_listing() -> None:
    text = "<?xml version='1.0'?><job_info><queue_info/><job_info/></job_info>"
    assert sge.parse_list(said(text)) == []


@pytest.mark.parametrize(
    "output",
    [
        said("", "error: commlib error: got select error", 1),
        said(job("r"), "error: failed receiving gdi request", 1),
        said(""),
        said("\n"),
        said("Welcome!\n"),
        said(job("r")[:-12]),
        said("<html><body>maintenance</body></html>"),
    ],
)
def test_failed_listing_is_no_empty_one(output: Output) -> None:
    with pytest.raises(CommandFailed):
        sge.parse_list(output)


def test_history_recorded(recorded: Recorded) -> None:
    text, _ = recorded("sge/qacct_j_all.txt")
    found = endings(text)
    assert {array for array, _ in found} == {"3"}
    assert set(found) == {("3", index) for index in range(1, 50)}
    failed = {index for (_, index), e in found.items() if e.reason == "exit-code 3"}
    assert failed == {7, 17, 27, 37, 47}
    assert {e.reason for (_, index), e in found.items() if index not in failed} == {"ended"}
    assert found["3", 7].host == "vm"
    assert found["3", 7].elapsed == 1.0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kill", ("killed", None, 9)),
        ("sig9", ("killed", None, 9)),
        ("tout", ("timeout", None, 9)),
        ("oom", ("exit-code 1", 1, None)),
        ("ex99", ("ended", 0, None)),
    ],
)
def test_endings(
    recorded: Recorded, name: str, expected: tuple[str, int | None, int | None]
) -> None:
    text, _ = recorded(f"sge/qacct_{name}.txt")
    assert endings(text) == {}  # taskid undefined: no element of an array
    (found,) = endings(text.replace("taskid       undefined", "taskid       4")).values()
    assert (found.reason, found.code, found.signal) == expected


@pytest.mark.parametrize(
    ("failed", "reason"),
    [
        ("100 : assumedly after job", "killed"),
        ("37  : qmaster enforced h_rt, h_cpu, or h_vmem limit", "timeout"),
        ("19  : before writing exit_status", "node-failure"),
        ("21  : in recognizing job", "node-failure"),
        ("25  : rescheduling", "failed 25"),
        ("28  : changing into working directory", "failed 28"),
    ],
)
def test_failed_codes(failed: str, reason: str) -> None:
    text = f"{RULE}\njobnumber 7\ntaskid 2\nfailed {failed}\nexit_status 138  (User signal 1)\n"
    assert endings(text)["7", 2].reason == reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "error: job id 7 not found\n",
        f"{RULE}\njobnumber 7\ntaskid 2\n",
        f"{RULE}\ntaskid 2\nfailed 0\nexit_status 0\n",
        f"{RULE}\njobnumber 7\ntaskid undefined\nfailed 0\nexit_status 0\n",
        f"{RULE}\njobnumber 7\ntaskid 2\nfailed lots\nexit_status many\n",
    ],
)
def test_history_of_nothing(text: str) -> None:
    assert endings(text) == {}


def test_history_of_half_a_record() -> None:
    text = f"{RULE}\njobnumber 7\ntaskid 2\nfailed 0\nru_wallclock undefined\n"
    assert endings(text)["7", 2].elapsed is None


MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("oom", ("out-of-memory", None, 9, 2.0, 309.363)),
        ("tout", ("timeout", None, 9, 4.0, 4.375)),
        ("s_rt", ("timeout", None, 10, 3.0, 4.551)),
        ("pe", ("ended", 0, None, 5.0, 107.832)),
        ("again", ("ended", 0, None, 0.0, 4.586)),
    ],
)
def test_endings_of_arrays_recorded(
    recorded: Recorded, name: str, expected: tuple[str, int | None, int | None, float, float]
) -> None:
    text, _ = recorded(f"sge/qacct_array_{name}.txt")
    (found,) = endings(text).values()
    assert found.memory is not None
    told = (found.reason, found.code, found.signal, found.elapsed)
    assert told == expected[:4]
    assert found.memory == pytest.approx(expected[4] * MIB, rel=0.001)
    assert found.host == "node1"


def test_memory_recorded(recorded: Recorded) -> None:
    """Two elements that held 300 MiB, and two that were deleted."""
    held, _ = recorded("sge/qacct_array_memory.txt")
    assert all(300 * MIB < e.memory < 320 * MIB for e in endings(held).values())
    deleted, _ = recorded("sge/qacct_array_deleted.txt")
    assert {e.reason for e in endings(deleted).values()} == {"killed"}
    told = deleted.replace("category ", "deleted_by   hpcuser\ncategory ")
    assert {e.reason for e in endings(told).values()} == {"canceled"}


def record(**fields: str) -> str:
    told = {"jobnumber": "7", "taskid": "2", "failed": "100 : assumedly after job", **fields}
    told = {"exit_status": "137 (Killed)", "slots": "1", **told}
    return f"{RULE}\n" + "".join(f"{name} {value}\n" for name, value in told.items())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"category": "-l h_vmem=1G", "maxvmem": "1.000GB"}, "out-of-memory"),
        ({"category": "-l h_vmem=1G", "maxvmem": "1.000G"}, "out-of-memory"),
        ({"category": "-l h_vmem=1G", "maxvmem": "1073741824"}, "out-of-memory"),
        ({"category": "-l h_vmem=1g", "maxvmem": "999.999MB"}, "out-of-memory"),  # g: 1000 ** 3
        ({"category": "-l h_vmem=1G", "maxvmem": "999.999MB"}, "killed"),
        ({"category": "-l h_vmem=1G", "maxvmem": "1.5GB", "slots": "2"}, "killed"),
        ({"category": "-l h_vmem=1G", "maxvmem": "2GB", "slots": "2"}, "out-of-memory"),
        ({"category": "-soft -l h_vmem=1G", "maxvmem": "2GB"}, "killed"),
        ({"category": "-u me -l a=b,h_vmem=1G -pe smp 2", "maxvmem": "2GB"}, "out-of-memory"),
        ({"category": "-l h_rt=3", "ru_wallclock": "4s"}, "timeout"),
        ({"category": "-l h_rt=3", "ru_wallclock": "3.001"}, "timeout"),
        ({"category": "-l h_rt=1:0:0", "ru_wallclock": "3600"}, "timeout"),
        ({"category": "-l h_rt=1:0:0", "ru_wallclock": "3599"}, "killed"),
        ({"category": "-l h_rt=INFINITY,h_vmem=lots", "ru_wallclock": "9"}, "killed"),
        ({"category": "NONE"}, "killed"),
        ({"deleted_by": "me", "category": "-l h_rt=3", "ru_wallclock": "4"}, "canceled"),
        ({"deleted_by": "NONE"}, "killed"),
        ({"failed": "37 : qmaster enforced", "category": "-l h_cpu=5"}, "timeout"),
    ],
)
def test_why_an_element_was_killed(fields: dict[str, str], reason: str) -> None:
    assert endings(record(**fields))["7", 2].reason == reason


def test_memory_of_releases_that_tell_it_apart() -> None:
    found = endings(record(maxrss="1.5M", ru_maxrss="4.000KB"))["7", 2]
    assert found.memory == 1.5 * MIB
    assert endings(record(ru_maxrss="7832"))["7", 2].memory == 7832 * 1024
    assert endings(record(ru_maxrss="0.000B"))["7", 2].memory is None


def test_parts_of_a_parallel_element_are_passed_over() -> None:
    both = record(exit_status="0", failed="0") + record(pe_taskid="1.node2")
    assert endings(both)["7", 2].reason == "ended"
    assert endings(both.replace("1.node2", "NONE"))["7", 2].reason == "killed"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (
            "eqw",
            'error: can\'t open output file "/nosuch/dir/x": No such file or directory; once that '
            "is mended, 'qmod -cj 518' lets it run",
        ),
        (
            "wd",
            "error: can't chdir to /nosuch/folder: No such file or directory; once that is "
            "mended, 'qmod -cj 518' lets it run",
        ),
        (
            "big",
            '(-l h_vmem=900G) cannot run at host "node1" because it offers only hc:h_vmem=512.000G',
        ),
    ],
)
def test_explanations_recorded(recorded: Recorded, name: str, why: str) -> None:
    text, status = recorded(f"sge/qstat_j_{name}.txt")
    assert sge.parse_explain(Output(("qstat", "-j", "518"), status, text, "")) == why


def test_explanations_of_nothing(recorded: Recorded) -> None:
    assert sge.parse_explain(said("job_number:   7\n")) == ""
    text, _ = recorded("sge/qstat_j_finished.txt")
    with pytest.raises(CommandFailed):
        sge.parse_explain(said("", text, 1))


def test_cancelling() -> None:
    assert sge.cancel_argv("7", None) == [["qdel", "7"]]
    assert sge.cancel_argv("7", Ranges.of([3, 7, 8])) == [
        ["qdel", "7", "-t", "3-3"],
        ["qdel", "7", "-t", "7-8"],
    ]


@pytest.mark.parametrize(
    "stdout",
    [
        'denied: job "7" does not exist\n',
        'job "7" task "1" does not exist\n',
        'job "7" task id range "7-8:1" comprises no tasks\n',
    ],
)
def test_cancelling_what_has_ended(stdout: str) -> None:
    sge.parse_cancel(said(stdout, "", 1, "qdel"))


def test_cancelling_what_is_not_ours() -> None:
    with pytest.raises(CommandFailed):
        sge.parse_cancel(said("me - you do not have the necessary privileges\n", "", 1, "qdel"))


def test_limits() -> None:
    assert sge.parse_limits(said("max_aj_instances   2000\nmax_aj_tasks   75000\n")).array == 75000
    assert sge.parse_limits(said("max_aj_tasks   0\n")).array is None
    for output in (said("Welcome!"), said("max_aj_tasks 5", "", 1)):
        with pytest.raises(CommandFailed):
            sge.parse_limits(output)


def test_a_request_that_can_never_be_met_is_doubted() -> None:
    said = (
        'Job 517 (-l h_vmem=900G) cannot run at host "node1" because it offers only '
        "hc:h_vmem=512.000G\n"
        "verification: no suitable queues\n"
    )
    assert sge.parse_doubt(Output(("qalter",), 1, said, "")) == (
        'may never run: (-l h_vmem=900G) cannot run at host "node1" because it offers only '
        "hc:h_vmem=512.000G"
    )
    fine = Output(("qalter",), 0, "verification: found suitable queue(s)\n", "")
    assert sge.parse_doubt(fine) == ""
