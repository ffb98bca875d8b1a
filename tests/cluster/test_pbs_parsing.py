"""OpenPBS's words, as recorded from 23.06, and those that its sources print otherwise."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.cluster.schedulers.pbs.scheduler import Pbs
from hpcbatch.cluster.shell import Output
from hpcbatch.words.errors import (
    CommandFailed,
    SubmissionDeferred,
    SubmissionRejected,
    SubmissionUnclear,
)
from hpcbatch.words.ranges import Ranges

DATA = Path(__file__).resolve().parents[1] / "data" / "pbs"
pbs = Pbs()


def recorded(name: str) -> Output:
    """A recording: the command, what it printed, then its stderr and exit status."""
    (path,) = DATA.glob(f"{name}-*")
    command, _, rest = path.read_text().partition("\n")
    told, _, status = rest.rpartition("--- rc ")
    stdout, _, stderr = told.partition("--- stderr:\n")
    return Output(tuple(command[2:].split()), int(status), stdout, stderr)


def said(stdout: str = "", stderr: str = "", status: int = 0, argv: str = "qstat") -> Output:
    return Output((argv,), status, stdout, stderr)


def as_text(name: str) -> str:
    """What was recorded in JSON, as ``qstat -f`` prints the same fields."""
    lines = []
    for job, fields in json.loads(recorded(name).stdout)["Jobs"].items():
        lines.append(f"Job Id: {job}")
        for key, value in fields.items():
            if isinstance(value, dict):
                lines += [f"    {key}.{part} = {item}" for part, item in value.items()]
            else:
                lines.append(f"    {key} = {value}")
        lines.append("")
    return "\n".join(lines) + "\n"


def endings(text: str) -> dict[tuple[str, int | None], Any]:
    return {(e.array, e.index): e.ending for e in pbs.parse_history(said(text))}


def table(*rows: str) -> str:
    """The table of one user's jobs, as ``qstat -w -s -u`` prints it (qstat.c)."""
    ruler = "------------------------------ --------------- --------------- --------------- "
    ruler += "-------- ---- ----- ------ ----- - -----"
    head = "Job ID                         Username        Queue           Jobname         "
    head += "SessID   NDS  TSK   Memory Time  S Time"
    return "\n".join(["", "pbshost: ", "Req'd  Req'd   Elap", head, ruler, *rows, ""])


def row(job: str, word: str, comment: str = " -- ", name: str = "t0123456789abcd") -> str:
    return (
        f"{job:30} {'hpcuser':15} {'workq':15} {name:15}    --     1     1    --  00:10 {word}  -- "
        f"\n   {comment}"
    )


@pytest.mark.parametrize(("name", "array"), [("01", "1[]"), ("02", "2[]"), ("03", "3")])
def test_submitted_recorded(name: str, array: str) -> None:
    assert pbs.parse_submit(recorded(name)) == array


@pytest.mark.parametrize(
    "stdout", ["7[].h\n", "Welcome\n7[].h\n", "7[].h\nYour quota is 12.\n", "7[].h.example.org \n"]
)
def test_submitted_among_other_words(stdout: str) -> None:
    assert pbs.parse_submit(said(stdout, "qsub: warning", argv="qsub")) == "7[]"


@pytest.mark.parametrize("name", ["06", "08", "09", "09b", "09h"])
def test_refusals_recorded(name: str) -> None:
    output = recorded(name)
    assert output.status in (2, 3, 170, 188)
    with pytest.raises(SubmissionRejected, match="qsub: "):
        pbs.parse_submit(output)


@pytest.mark.parametrize(
    ("stderr", "status"),
    [
        ("Connection refused\nqsub: cannot connect to server pbshost (errno=111)", 111),
        ("qsub: cannot connect to server pbshost (errno=15010)", 255),
        ("qsub: would exceed complex's per-user limit", 38),
        ("qsub: would exceed queue workq's per-group limit", 38),
        ("qsub: Maximum number of jobs in 'Q' state for user me already in complex", 38),
        ("qsub: Maximum number of jobs already in queue workq", 46),
    ],
)
def test_deferred(stderr: str, status: int) -> None:
    with pytest.raises(SubmissionDeferred):
        pbs.parse_submit(said("", stderr, status, "qsub"))


@pytest.mark.parametrize(
    "output",
    [
        said("", "qsub: Premature end of message", 1, "qsub"),
        said("7[].h\n", "", 1, "qsub"),
        said("", "", -9, "qsub"),
    ],
)
def test_perhaps_submitted(output: Output) -> None:
    with pytest.raises(SubmissionUnclear):
        pbs.parse_submit(output)


def listed(output: Output) -> dict[tuple[str, int | None], tuple[str, bool]]:
    return {(s.array, s.index): (s.word, s.running) for s in pbs.parse_list(output)}


def test_listing_recorded() -> None:
    found = pbs.parse_list(recorded("20"))
    assert {(s.array, s.name) for s in found} == {("1[]", "sweep")}
    assert {s.index for s in found} == set(range(48, 100))  # the others are X
    assert Counter((s.word, s.running) for s in found) == {("Q", False): 44, ("R", True): 8}


def test_listing_of_deleted_elements_recorded() -> None:
    queued, running = ("Q", False), ("R", True)
    expected = {1: running, 2: running, 3: queued, 4: queued, 8: queued, 9: queued}
    assert listed(recorded("44")) == {("16[]", i): state for i, state in expected.items()}
    assert listed(recorded("50")) == {}  # all are F


def test_listing_of_a_held_array_recorded() -> None:
    found = listed(recorded("77"))
    assert {i: found["41[]", i] for i in range(6)} == {
        **dict.fromkeys((0, 1), ("E", True)),
        **dict.fromkeys((2, 3, 4, 5), ("H", False)),
    }
    assert found["39", 0] == ("R", True)


def test_plain_jobs_have_the_index_of_their_only_element() -> None:
    found = {s.array: s for s in pbs.parse_list(recorded("54"))}
    assert set(found) == {"5", "10", "14"}
    assert {s.index for s in found.values()} == {0}
    assert found["14"].name == "1e5"


def test_wide_and_empty_listings_recorded() -> None:
    assert listed(recorded("83")) == {}
    assert listed(recorded("90")) == {("38", 0): ("E", True), ("39", 0): ("R", True)}
    assert listed(recorded("18")) == {}  # an array without its elements
    assert pbs.parse_list(said("")) == []


def test_listing_of_one_user() -> None:
    text = table(
        row("1[].pbshost", "B", "Job Array Began at Sun Nov 22 at 04:30"),
        row("1[0].pbshost", "X"),
        row("1[1].pbshost", "R", "Job run at Sun Nov 22 at 04:30 on (pbshost:ncpus=1)"),
        row("1[2].pbshost", "Q", "Not Running: Number of concurrent running subjobs limit reached"),
        row("2.pbshost", "Q"),
    )
    found = {(s.array, s.index): s for s in pbs.parse_list(said(text))}
    assert set(found) == {("1[]", 1), ("1[]", 2), ("2", 0)}
    assert {s.name for s in found.values()} == {"t0123456789abcd"}
    assert (found["1[]", 1].running, found["1[]", 1].why) == (True, "")
    waits = found["1[]", 2]
    assert waits.why == "Not Running: Number of concurrent running subjobs limit reached"
    assert not waits.stuck
    assert found["2", 0].why == ""


@pytest.mark.parametrize(
    ("word", "comment", "advice"),
    [
        (
            "Q",
            "Can Never Run: Insufficient amount of resource: ncpus (R: 999 A: 16 T: 16)",
            "it asks for more than the cluster has: cancel it, and submit with other resources",
        ),
        ("H", "Job held by hpcuser on Sun Nov 22 04:38:06 2026", "'qrls 7[]' lets it run"),
    ],
)
def test_stuck(word: str, comment: str, advice: str) -> None:
    (found,) = pbs.parse_list(said(table(row("7[3].pbshost", word, comment))))
    assert (found.stuck, found.running) == (True, False)
    assert found.why == f"{comment}: {advice}"


def test_held_by_a_dependency_is_not_stuck() -> None:
    text = table(row("7[].pbshost", "H"), row("7[0].pbshost", "Q"), row("8.pbshost", "H"))
    assert {(s.array, s.word, s.stuck) for s in pbs.parse_list(said(text))} == {
        ("7[]", "H", False),
        ("8", "H", False),
    }


@pytest.mark.parametrize("word", ["R", "E", "S", "U"])
def test_running_words(word: str) -> None:
    assert pbs.parse_list(said(table(row("7[1].h", word))))[0].running


@pytest.mark.parametrize("word", ["Q", "H", "W", "T", "Z", "?"])
def test_waiting_and_unknown_words(word: str) -> None:
    (found,) = pbs.parse_list(said(table(row("7[1].h", word))))
    assert (found.running, found.word) == (False, word)


@pytest.mark.parametrize(
    "job", ["1234567[12345].", "1234567[12345]*", "1234567[12345].a-long-*", "1234567[12345]"]
)
def test_ids_cut_off(job: str) -> None:
    (found,) = pbs.parse_list(said(table(row(job, "R"))))
    assert (found.array, found.index) == ("1234567[]", 12345)


@pytest.mark.parametrize(
    "output",
    [
        said("", "qstat: cannot connect to server pbshost (errno=15010)", 255),
        said("", "qstat: cannot connect to server pbshost (errno=15010)"),
        said(table(row("7[1].h", "R")), "", 1),
        said("Welcome!\n"),
        said(table(row("1234567[123*", "R"))),
        said(table("7[1].h hpcuser")),
        recorded("48"),
    ],
)
def test_failed_listing_is_no_empty_one(output: Output) -> None:
    with pytest.raises(CommandFailed):
        pbs.parse_list(output)


def told(found: Any) -> tuple[str, int | None, int | None]:
    return found.reason, found.code, found.signal


def test_endings_while_the_array_lives_recorded() -> None:
    found = endings(as_text("21"))
    assert {index: told(ending) for (_, index), ending in found.items()} == {
        0: ("ended", 0, None),
        5: ("exit-code 3", 3, None),
        6: ("killed", None, 9),
        7: ("ended", 0, None),
    }  # 49 is ending, 50 runs; 56 waits, and carries its array's status
    assert (found["1[]", 5].host, found["1[]", 5].elapsed) == ("pbshost", 4.0)
    assert found["1[]", 5].memory == 7072 * 1024


def test_endings_of_a_deleted_array_recorded() -> None:
    found = {index: told(ending) for (_, index), ending in endings(as_text("51")).items()}
    assert found[1] == found[2] == ("canceled", None, 15)
    others = {found[index] for index in found if index not in (1, 2)}
    assert others == {("canceled", None, None)}  # with its array's status, 1
    assert set(found) == set(range(10))


def test_endings_of_plain_jobs_recorded() -> None:
    texts = as_text("53") + as_text("81") + as_text("89")
    assert {array: told(ending) for (array, _), ending in endings(texts).items()} == {
        "3": ("exit-code 7", 7, None),
        "4": ("timeout", None, None),
        "10": ("canceled", None, None),
        "35": ("killed", None, 9),
        "36": ("killed", None, 11),
        "37": ("exit-code 254", 254, None),
        "40": ("exit-code 255", 255, None),
    }


def test_history_of_what_lives_recorded() -> None:
    for name in ("15", "17", "78"):
        assert endings(recorded(name).stdout) == {}
    assert endings(recorded("57").stdout) == {}


def record(job: str = "7[2].h", **fields: str) -> str:
    told = {"job_state": "F", "substate": "93", "exec_host": "node1/0*4", **fields}
    lines = (f"    {name.replace('__', '.')} = {value}\n" for name, value in told.items())
    return f"Job Id: {job}\n{''.join(lines)}\n"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"Exit_status": "265"}, "killed"),
        ({"Exit_status": "271"}, "canceled"),
        ({"Exit_status": "143"}, "killed"),
        ({"Exit_status": "131"}, "killed"),
        ({"Exit_status": "200"}, "exit-code 200"),
        ({"Exit_status": "-27"}, "out-of-memory"),
        ({"Exit_status": "-28"}, "timeout"),
        ({"Exit_status": "-1"}, "launch-failure"),
        ({"Exit_status": "0", "substate": "92"}, "ended"),
        ({"Exit_status": "1", "substate": "91"}, "canceled"),
        ({}, "canceled"),
        (
            {
                "Exit_status": "265",
                "Resource_List__mem": "200000kb",
                "resources_used__mem": "200000kb",
            },
            "out-of-memory",
        ),
        (
            {
                "Exit_status": "265",
                "Resource_List__mem": "1gb",
                "resources_used__mem": "200000kb",
            },
            "killed",
        ),
        (
            {
                "Exit_status": "271",
                "Resource_List__walltime": "00:00:05",
                "resources_used__walltime": "00:00:51",
            },
            "timeout",
        ),
        ({"depend": "afterok:6[].h@h", "exec_host": "", "substate": "91"}, "dependency"),
        ({"depend": "afterany:6[].h@h", "exec_host": "", "substate": "91"}, "canceled"),
        ({"depend": "afterok:6[].h@h", "Exit_status": "3"}, "exit-code 3"),
        ({"comment": "Job deleted as result of dependency on job 6.h"}, "dependency"),
    ],
)
def test_why_an_element_ended(fields: dict[str, str], reason: str) -> None:
    found = endings(record(**fields))["7[]", 2]
    assert found.reason == reason
    assert found.host in ("node1", "")


def test_an_ending_of_which_nothing_is_known() -> None:
    assert endings(record(job_state="X", substate="70", Exit_status="1", exec_host="")) == {}


def test_lines_that_go_on() -> None:
    text = record(exec_host="node-with-a\n\t-long-name/0", comment="it is, and\n\t so on")
    assert endings(text)["7[]", 2].host == "node-with-a-long-name"


def test_history_of_known_ids_though_others_are_not() -> None:
    output = said(record(Exit_status="3"), "qstat: Unknown Job Id 99[].h", 153)
    assert [ended.ending.code for ended in pbs.parse_history(output)] == [3]
    nothing = said("", "qstat: Unknown Job Id 99[].h", 153)
    assert list(pbs.parse_history(nothing)) == []


def test_cancelling() -> None:
    assert pbs.cancel_argv("7[]", None) == [["qdel", "7[]"]]
    assert pbs.cancel_argv("7", Ranges.of([0])) == [["qdel", "7"]]
    assert pbs.cancel_argv("7[]", Ranges.of([3, 7, 8])) == [["qdel", "7[3]", "7[7-8]"]]


@given(st.sets(st.integers(0, 10**5), min_size=1, max_size=2000))
def test_cancelling_names_each_element_once(indices: set[int]) -> None:
    named: list[int] = []
    for program, *ids in pbs.cancel_argv("1234567[]", Ranges.of(indices)):
        assert program == "qdel"
        assert sum(map(len, ids)) < 10_000
        for text in ids:
            first, _, last = text.removeprefix("1234567[").removesuffix("]").partition("-")
            named += range(int(first), int(last or first) + 1)
    assert named == sorted(indices)


@pytest.mark.parametrize(
    ("stderr", "status"),
    [
        ("", 0),
        ("qdel: Unknown Job Id 99.pbshost", 153),
        ("qdel: Job has finished 16[].pbshost", 35),
        ("qdel: Request invalid for state of job 16[3].pbshost", 168),
        ("qdel: Unknown Job Id 9.h\nqdel: Job has finished 16[].h", 35),
    ],
)
def test_cancelling_what_has_ended(stderr: str, status: int) -> None:
    pbs.parse_cancel(said("", stderr, status, "qdel"))


@pytest.mark.parametrize(
    ("stderr", "status"),
    [
        ("qdel: Unauthorized Request  7.h", 159),
        ("qdel: Job has finished 6.h\nqdel: Unauthorized Request  7.h", 159),
        ("qdel: cannot connect to server h (errno=15010)", 255),
        ("", 1),
    ],
)
def test_cancelling_that_failed(stderr: str, status: int) -> None:
    with pytest.raises(CommandFailed):
        pbs.parse_cancel(said("", stderr, status, "qdel"))


def test_limits() -> None:
    text = "Server: pbshost\n    server_state = Active\n    max_array_size = 10\n"
    assert pbs.parse_limits(said(text)).array == 10
    assert pbs.parse_limits(said("Server: pbshost\n    server_state = Idle\n")).array == 10000
    for output in (said("Welcome!"), said(text, "", 255), said("")):
        with pytest.raises(CommandFailed):
            pbs.parse_limits(output)
