"""LSF's words, as recorded from OpenLava 4.0 and as IBM's manuals show them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.cluster.orders import ArrayOrder
from hpcbatch.cluster.schedulers.lsf.endings import seconds_between
from hpcbatch.cluster.schedulers.lsf.scheduler import Lsf
from hpcbatch.cluster.scripts import render
from hpcbatch.cluster.shell import Output
from hpcbatch.words.errors import (
    CommandFailed,
    ProgramMissing,
    SubmissionDeferred,
    SubmissionRejected,
    SubmissionUnclear,
)
from hpcbatch.words.ranges import Ranges
from hpcbatch.words.resources import Resources

from .conftest import DATA
from .test_scripts import order, words_of

lsf = Lsf()
REFUSED = "Job not submitted."


def recorded(name: str) -> Output:
    """A recorded command: what it printed on each stream, and its exit status."""
    command, _, rest = (DATA / "lsf" / f"{name}.txt").read_text().partition("\n")
    said, _, status = rest.rpartition("--- rc ")
    stdout, _, stderr = said.partition("--- stderr:\n")
    argv = tuple(shlex.split(command.removeprefix("$ ").partition(" < ")[0]))
    return Output(argv, int(status), stdout, stderr)


def said(stdout: str = "", stderr: str = "", status: int = 0, argv: str = "bjobs 7") -> Output:
    return Output(tuple(argv.split()), status, stdout, stderr)


def rows(name: str, delimiter: str) -> Output:
    """A recorded listing, as if it had been asked for with our delimiter."""
    output = recorded(name)
    lines = output.stdout.splitlines()
    return said("\n".join(line.replace(delimiter, "|", 3) for line in lines), "", output.status)


def endings(output: Output | str) -> dict[tuple[str, int | None], Any]:
    output = said(output) if isinstance(output, str) else output
    return {(e.array, e.index): e.ending for e in lsf.parse_history(output)}


# submitting


@pytest.mark.parametrize(("name", "number"), [("bsub_array", "101"), ("bsub_array_list", "105")])
def test_submissions_recorded(name: str, number: str) -> None:
    assert lsf.parse_submit(recorded(name)) == number


@pytest.mark.parametrize(
    "stdout",
    [
        "Job <7> is submitted to queue <long>.\n",
        "Job <7> is submitted to default queue <normal>.\n",
        "Memory reservation is (MB): 4096\nJob <7> is submitted to queue <long>.\nThank you.\n",
    ],
)
def test_submitted(stdout: str) -> None:
    assert lsf.parse_submit(said(stdout, "esub: project set to default", argv="bsub")) == "7"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bsub_array_toolarge", "Job array index too large"),
        ("bsub_array_1001", "Job array index too large"),
        ("bsub_runlimit_exceeds_queue", "RUNLIMIT: Cannot exceed queue's hard limit"),
        ("bsub_too_many_slots", "Too many processors requested"),
    ],
)
def test_refusals_recorded(name: str, words: str) -> None:
    with pytest.raises(SubmissionRejected, match=words):
        lsf.parse_submit(recorded(name))


@pytest.mark.parametrize(
    "stderr",
    [
        f"User <me>: Pending job threshold reached. {REFUSED}",
        f"Pending job slots threshold reached. {REFUSED}",
        f"The destination queue has reached its job limit. {REFUSED}",
        f"LSF is down. Please wait ...\nConnection refused by server. {REFUSED}",
        "batch system daemon not responding ... still trying",
        f"Cannot connect to LSF. Please wait ... {REFUSED}",
        f"Failed in an LSF library call: Master LIM is down; try later. {REFUSED}",
        f"Timeout on connect call to server. {REFUSED}",
        f"Batch daemon cannot fork. {REFUSED}",
    ],
)
def test_deferred(stderr: str) -> None:
    with pytest.raises(SubmissionDeferred):
        lsf.parse_submit(said("", stderr, 255, "bsub"))


def test_perhaps_submitted() -> None:
    stderr = f"Contacting batch daemon: Communication timeout. {REFUSED}"
    with pytest.raises(SubmissionUnclear):
        lsf.parse_submit(said("", stderr, 255, "bsub"))
    with pytest.raises(SubmissionUnclear):
        lsf.parse_submit(said("Job <7> is submitted to queue <q>.\n", "", 255, "bsub"))


def test_the_programs_do_not_try_for_ever() -> None:
    assert lsf.settings == {"LSB_NTRIES": "1"}


# listing


def test_listing_asks_for_no_field_that_one_of_them_lacks() -> None:
    refusal = recorded("bjobs_o_jobindex")
    assert (refusal.status, refusal.stdout) == (99, "Invalid field specs jobindex\n")
    *_, fields = lsf.list_argv("me")
    assert fields == "jobid stat exit_code job_name delimiter='|'"
    with pytest.raises(CommandFailed):
        lsf.parse_list(refusal)


@pytest.mark.parametrize(
    ("name", "delimiter"), [("bjobs_o", " "), ("bjobs_o_delim", ","), ("bjobs_o_killed", " ")]
)
def test_recorded_rows_are_understood(name: str, delimiter: str) -> None:
    """Also those of what has ended, with and without an exit code."""
    text = rows(name, delimiter).stdout.replace("DONE", "RUN").replace("EXIT", "PEND")
    found = lsf.parse_list(said(text))
    assert len(found) == len([line for line in text.splitlines() if line.count("|") == 3])
    assert {s.running for s in found if s.word in ("RUN", "USUSP")} == {True}
    assert all("[" not in s.name for s in found)


def test_listing_recorded() -> None:
    (found,) = lsf.parse_list(rows("bjobs_o_killed", " "))
    assert (found.array, found.index, found.name) == ("114", None, "sus")
    assert (found.word, found.running, found.stuck) == ("USUSP", True, False)
    assert lsf.parse_list(rows("bjobs_o", " ")) == []  # all have ended


@pytest.mark.parametrize(
    ("row", "name", "index"),
    [
        ("7|PEND||sweep[5]", "sweep", 5),
        ("7|PEND|-|sweep[1000]", "sweep", 1000),
        ("7|RUN|0|one", "one", None),
        ("7|RUN||a|b [c]|d[12]", "a|b [c]|d", 12),
        ("7|RUN||x[y]", "x[y]", None),
        ("7|RUN||", "", None),
    ],
)
def test_names_and_indices(row: str, name: str, index: int | None) -> None:
    (found,) = lsf.parse_list(said(f"{row}\n"))
    assert (found.array, found.name, found.index) == ("7", name, index)


@pytest.mark.parametrize(
    ("word", "running", "stuck"),
    [
        ("PEND", False, False),
        ("RUN", True, False),
        ("PSUSP", False, True),
        ("USUSP", True, False),
        ("SSUSP", True, False),
        ("UNKWN", True, False),
        ("ZOMBI", True, False),
        ("WAIT", False, False),
        ("PROV", False, False),
        ("NEWWORD", False, False),
    ],
)
def test_states(word: str, running: bool, stuck: bool) -> None:
    (found,) = lsf.parse_list(said(f"7|{word}||n[1]\n"))
    assert (found.word, found.running, found.stuck) == (word, running, stuck)


def test_what_has_ended_is_not_listed() -> None:
    assert lsf.parse_list(said("7|DONE|0|n[1]\n7|EXIT|3|n[2]\n")) == []


def test_empty_listing_recorded() -> None:
    assert lsf.parse_list(recorded("bjobs_empty")) == []
    assert lsf.parse_list(said("", "No unfinished job found\n", 0)) == []


@pytest.mark.parametrize(
    "output",
    [
        recorded("bjobs_unknown"),
        said("", "LSF is down. Please wait ...\n", 255),
        said("7|RUN||n[1]\n", "Connection refused by server\n", 255),
        said("", "", 255),
        said(""),
        said("\n"),
        said("Welcome!\nMaintenance on Monday.\n"),
        said("JOBID USER STAT\n7 me RUN\n"),
    ],
)
def test_failed_listing_is_no_empty_one(output: Output) -> None:
    with pytest.raises(CommandFailed):
        lsf.parse_list(output)


# waiting


def test_reasons_recorded() -> None:
    output = recorded("bjobs_l_pend")
    reason = "Job slot limit reached: 1 host"
    assert lsf.parse_explain(output) == f"{reason}: 'bresume 124[700]' lets it run"
    assert lsf.parse_doubt(output) == ""
    for name in ("bjobs_l_wall", "bjobs_121"):
        assert lsf.parse_doubt(recorded(name)) == ""


def pending(*reasons: str) -> str:
    told = "".join(f" {reason};\n" for reason in reasons)
    return f"Job <7[1]>, Status <PEND>\n PENDING REASONS:\n{told}\n SCHEDULING PARAMETERS:\n"


@pytest.mark.parametrize(
    ("reason", "is_doubted"),
    [
        ("Dependency condition invalid or never satisfied", True),
        ("There are no suitable hosts for the job", True),
        ("Job dependency condition not satisfied", False),
        ("New job is waiting for scheduling", False),
        ("Load information unavailable: 3 hosts", False),
    ],
)
def test_doubts(reason: str, is_doubted: bool) -> None:
    text = pending(reason, "Job slot limit reached: 1 host") + pending(reason)
    expected = f"may never run: {reason}" if is_doubted else ""
    assert lsf.parse_doubt(said(text)) == expected


def test_explanations_of_nothing() -> None:
    assert lsf.parse_explain(said("Job <7[1]>\n")) == "PSUSP: 'bresume 7' lets it run"
    for parse in (lsf.parse_explain, lsf.parse_doubt):
        with pytest.raises(CommandFailed):
            parse(recorded("bjobs_unknown"))


# cancelling


def test_cancelling() -> None:
    assert lsf.cancel_argv("7", None) == [["bkill", "7"]]
    assert lsf.cancel_argv("7", Ranges.of([3, 7, 8])) == [["bkill", "7[3,7-8]"]]


def members(spec: str) -> Iterable[int]:
    for part in spec.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


@given(st.sets(st.integers(1, 3000), min_size=1, max_size=400))
def test_cancelling_any_set(indices: set[int]) -> None:
    found: list[int] = []
    for program, spec in lsf.cancel_argv("123456", Ranges.of(indices)):
        match = re.fullmatch(r"123456\[([\d,-]+)\]", spec)
        assert match
        assert program == "bkill"
        assert len(spec) < 512
        found += members(match[1])
    assert found == sorted(indices)


@pytest.mark.parametrize(
    "name",
    ["bkill_range", "bkill_one", "bkill_unknown", "bkill_array", "bkill_finished", "bkill_big"],
)
def test_cancelling_recorded(name: str) -> None:
    lsf.parse_cancel(recorded(name))


@pytest.mark.parametrize(
    "stderr",
    [
        "",
        "Job <7>: User permission denied\n",
        "LSF is down. Please wait ...\n",
        "Job <7[1]>: Job has already finished\nJob <7[2]>: User permission denied\n",
    ],
)
def test_cancelling_that_fails(stderr: str) -> None:
    with pytest.raises(CommandFailed):
        lsf.parse_cancel(said("", stderr, 255, "bkill 7"))


# endings


@pytest.mark.parametrize("name", ["bjobs_UF", "bjobs_l_array_elem"])
def test_ending_recorded(name: str) -> None:
    """Formatted to 80 columns or not."""
    ((element, found),) = endings(recorded(name)).items()
    assert element == ("112", 2)
    assert (found.reason, found.code, found.signal) == ("canceled", None, 2)
    assert (found.host, found.elapsed, found.memory) == ("vm", 11.0, None)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("bjobs_l_wall", ("timeout", None, 12, "vm", 61.0)),
        ("bjobs_121", ("ended", 0, None, "vm", 1.0)),
    ],
)
def test_endings_recorded(name: str, told: tuple[Any, ...]) -> None:
    text = recorded(name).stdout
    assert endings(text) == {}  # no element of an array
    (found,) = endings(re.sub(r"^(Job Id <\d+)>", r"\1[4]>", text, flags=re.MULTILINE)).values()
    assert (found.reason, found.code, found.signal, found.host, found.elapsed) == told


def test_what_waits_or_runs_has_not_ended() -> None:
    assert endings(recorded("bjobs_l_pend")) == {}
    assert endings(record("RUN")) == {}
    assert endings(recorded("bjobs_unknown")) == {}


IBM_START = (
    "[2] started 1 Task(s) on Host(s) <node7>, Allocated 1 Slot(s) on Host(s) <node7>, "
    "Execution Home </home/me>, Execution CWD </>;"
)


def record(status: str, *events: str, started: str = IBM_START, rest: str = "") -> str:
    told = [started, *events] if started else list(events)
    lines = [f"Thu Dec 31 23:59:5{second}: {said}" for second, said in enumerate(told)]
    return "\n".join(
        [
            "",
            f"Job <7[2]>, Job Name <n[2]>, User <me>, Project <default>, Status <{status}>, Queue "
            "<normal>, Command <#!/bin/bash;#BSUB -J n; echo Status <DONE>>",
            "Thu Dec 31 23:59:40: Submitted from host <login>, CWD </>;",
            *lines,
            rest,
        ]
    )


CPU = "The CPU time used is 0.1 seconds."


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ((f"Exited with exit code 3. {CPU}",), ("exit-code 3", 3, None)),
        ((f"Exited with exit code 255. {CPU}",), ("exit-code 255", 255, None)),
        ((f"Exited with exit code 137. {CPU}",), ("killed", None, 9)),
        ((f"Exited by signal 9. {CPU}",), ("killed", None, 9)),
        ((f"Exited with exit code 139. {CPU}",), ("killed", None, 11)),
        ((f"Exited with exit code 130. {CPU}",), ("canceled", None, 2)),
        ((f"Exited with exit code 143. {CPU}",), ("canceled", None, 15)),
        ((f"Exited with exit code 140. {CPU}",), ("timeout", None, 12)),
        ((f"Exited with exit code 127. {CPU}",), ("exit-code 127", 127, None)),
        ((f"Exited. {CPU}",), ("killed", None, None)),
    ],
)
def test_endings_by_code(events: tuple[str, ...], told: tuple[Any, ...]) -> None:
    found = endings(record("EXIT", *events))["7", 2]
    assert (found.reason, found.code, found.signal) == told
    assert (found.host, found.elapsed) == ("node7", 1.0)


@pytest.mark.parametrize(
    ("term", "reason"),
    [
        ("TERM_RUNLIMIT: job killed after reaching LSF run time limit", "timeout"),
        ("TERM_MEMLIMIT: job killed after reaching LSF memory usage limit", "out-of-memory"),
        ("TERM_OWNER: job killed by owner", "canceled"),
        ("TERM_FORCE_ADMIN: job killed by root or LSF administrator without time for cleanup",
         "canceled"),
        ("TERM_PREEMPT: job killed after preemption", "preempted"),
        ("TERM_ORPHAN_SYSTEM: the orphan job was automatically terminated by LSF", "dependency"),
        ("TERM_EXTERNAL_SIGNAL: job killed by a signal external to LSF", "killed"),
        ("TERM_UNKNOWN: unknown reason", "killed"),
    ],
)  # fmt: skip
def test_endings_that_are_told(term: str, reason: str) -> None:
    for end in (f"Completed <exit>; {term}.", f"Exited; {term}."):
        text = record("EXIT", f"Exited with exit code 137. {CPU}", end)
        assert endings(text)["7", 2].reason == reason


def test_what_never_began_was_canceled() -> None:
    found = endings(record("EXIT", f"Exited. {CPU}", started=""))["7", 2]
    assert (found.reason, found.code, found.signal, found.host, found.elapsed) == (
        *("canceled", None, None, ""),
        None,
    )


def test_memory_and_hosts_of_ibm() -> None:
    rest = "\n MEMORY USAGE:\n MAX MEM: 1.5 Gbytes;  AVG MEM: 800 Mbytes\n"
    started = IBM_START.replace("<node7>", "<4*node7> <4*node8>")
    found = endings(record("DONE", f"Done successfully. {CPU}", started=started, rest=rest))
    assert found["7", 2].memory == 1.5 * 1024**3
    assert found["7", 2].host == "node7"
    assert (found["7", 2].reason, found["7", 2].code) == ("ended", 0)


def test_an_element_that_ran_again_and_over_new_year() -> None:
    text = record("EXIT", "Exited; requeued.", IBM_START, f"Exited with exit code 1. {CPU}")
    text = text.replace("Dec 31 23:59:53", "Jan  1 00:00:02 2027")
    found = endings(text)["7", 2]
    assert (found.reason, found.elapsed) == ("exit-code 1", 10.0)


@pytest.mark.parametrize(
    ("began", "ended", "seconds"),
    [
        ("Fri Feb 28 23:00:00", "Sat Mar  1 01:00:00", 7200.0),  # of 2025
        ("Wed Feb 28 23:00:00", "Fri Mar  1 01:00:00", 93600.0),  # of 2024
        ("Thu Feb 29 23:00:00", "Fri Mar  1 01:00:00", 7200.0),
        ("Wed Dec 31 23:00:00", "Thu Jan  1 01:00:00", 7200.0),
    ],
)
def test_the_year_is_found_by_the_day_of_the_week(began: str, ended: str, seconds: float) -> None:
    assert seconds_between(began, ended) == seconds


def test_endings_of_several_elements_and_arrays() -> None:
    one = record("EXIT", f"Exited with exit code 1. {CPU}")
    other = record("DONE", f"Done successfully. {CPU}").replace("7[2]", "8[1]")
    found = endings(said(one + "\n" + other, "Job <9> is not found\n", 255))
    assert {key: ending.reason for key, ending in found.items()} == {
        ("7", 2): "exit-code 1",
        ("8", 1): "ended",
    }


def test_history_asks_for_all_arrays_at_once() -> None:
    assert lsf.history_argv(["7", "8"], 0.0) == [["bjobs", "-UF", "7", "8"]]


# limits

PARAMETERS = "The maximum number of jobs in a job array.\n    MAX_JOB_ARRAY_SIZE = 5000\n"


@pytest.mark.parametrize(
    ("more", "unit"),
    [
        ("", "KB"),
        ("LSF_UNIT_FOR_LIMITS = MB\n", "MB"),
        ("    LSF_UNIT_FOR_LIMITS=GB\n", "GB"),
        ('LSF_UNIT_FOR_LIMITS="mb"\n', "MB"),
        ("LSF_UNIT_FOR_LIMITS=G  # gigabytes\n", "GB"),
        ("#LSF_UNIT_FOR_LIMITS=GB\n", "KB"),
    ],
)
def test_limits(more: str, unit: str) -> None:
    limits = lsf.parse_limits(said(PARAMETERS + more, "Usage: bparams [-h]\n"))
    assert (limits.array, limits.memory_unit) == (5000, unit)


def test_a_release_that_does_not_print_the_limit_has_the_default() -> None:
    told = "Default Queues:  normal\nJob Dispatch Interval:  10 seconds\n"
    assert lsf.parse_limits(said(told)).array == 1000


def test_limits_that_are_not_told() -> None:
    with pytest.raises(ProgramMissing):
        lsf.parse_limits(said("", "sh: 1: bparams: not found\n", 127))
    for output in (said("Welcome!\n"), said(PARAMETERS, "LSF is down.\n", 255)):
        with pytest.raises(CommandFailed):
            lsf.parse_limits(output)


# the script


@given(count=st.integers(1, 10**6), throttle=st.one_of(st.none(), st.integers(1, 1000)))
def test_arrays_are_arrays_also_of_one(count: int, throttle: int | None) -> None:
    asked = order(array=ArrayOrder("n-1", 0, count, lsf.base), throttle=throttle)
    words = words_of(render(lsf.template, asked))
    shown = f"%{throttle}" if throttle else ""
    assert words[:2] == ["-J", f"n-1[1-{count}]{shown}"]


@given(memory=st.integers(1, 2**70), unit=st.sampled_from(["KB", "MB", "GB", "TB"]))
def test_memory_in_the_unit_of_the_site(memory: int, unit: str) -> None:
    asked = order(resources=Resources(memory=memory), memory_unit=unit)
    words = words_of(render(lsf.template, asked))
    size = 1024 ** (" KMGT".index(unit[0]))
    assert 0 <= int(words[words.index("-M") + 1]) * size - memory < size


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"cpus": 4}, ["-n", "4", "-R", "span[hosts=1]"]),
        ({"cpus": 4, "nodes": 2}, ["-n", "8", "-R", "span[ptile=4]"]),
        ({"nodes": 2}, ["-n", "2", "-R", "span[ptile=1]"]),
        ({"nodes": 1}, []),
        ({"constraint": "select[mem>4]"}, ["-R", "select[mem>4]"]),
        (
            {"constraint": "bigmem&&avx", "cpus": 2},
            ["-n", "2", "-R", "bigmem&&avx span[hosts=1]"],
        ),
        ({"gpus": 2}, ["-gpu", "num=2"]),
        ({"queue": "long", "account": "lab"}, ["-q", "long", "-P", "lab"]),
        ({"extra": ["-app big"]}, ["-app", "big"]),
    ],
)
def test_resources(asked: dict[str, Any], expected: list[str]) -> None:
    plain = words_of(render(lsf.template, order()))
    words = words_of(render(lsf.template, order(resources=Resources.parse(asked))))
    assert words[len(plain) :] == expected


@given(title=st.text(st.sampled_from("# BSU-q\n\t"), max_size=12))
def test_no_comment_is_a_directive(title: str) -> None:
    """bsub takes ``# BSUB -q x`` for one, with spaces wherever they please."""
    text = render(lsf.template, order(title=title))
    lines = [line.strip().removeprefix("#").strip() for line in text.splitlines() if "#" in line]
    assert len([line for line in lines if line.startswith("BSUB")]) == 2  # -J and -o
