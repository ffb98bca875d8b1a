"""Submissions that wait for others of this machine."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

GATED = "until [ -e gate ]; do sleep 0.02; done"


def open_gate(local: Any) -> None:
    (local.work / "gate").touch()


@pytest.mark.parametrize("how", ["after", "after_ok"])
def test_waits_and_says_for_what(local: Any, how: str) -> None:
    first = local.submit(f"{GATED}; echo first >>log")
    second = local.submit("echo second >>log")
    third = local.submit("echo third >>log", elements=2, **{how: f"{second},{first}"})
    local.ended(second)
    entry = local.eventually(
        lambda: first in local.listed(third).get("why", "") and local.listed(third), "a reason"
    )
    assert entry["why"] == f"waits for {first}"
    assert (entry["queued"], entry["running"]) == ([[0, 1]], [])
    assert local.listed(first)["why"] == ""
    assert local.lines("log") == ["second"]
    open_gate(local)
    assert {e["ending"] for e in local.ended(third).values()} == {"ok"}
    assert local.lines("log") == ["second", "first", "third", "third"]


def test_waits_for_what_has_ended(local: Any) -> None:
    good, bad = local.submit("true"), local.submit("exit 3")
    local.ended(good)
    local.ended(bad)
    last = local.submit("echo last >>log", after=bad, after_ok=good)
    assert local.ended(last)[0]["ending"] == "ok"


def test_one_failed_element_ends_what_waited_for_success(local: Any) -> None:
    first = local.submit('exit "$HPCBATCH_LOCAL_INDEX"', elements=2)
    second = local.submit("echo second >>log", elements=3, after_ok=first)
    third = local.submit("echo third >>log", after_ok=second)
    fourth = local.submit("echo fourth >>log", after=f"{second},{third}")
    endings = local.ended(second)
    assert sorted(endings) == [0, 1, 2]
    for ending in endings.values():
        assert ending["ending"] == "dependency"
        assert ending["started"] is None
        assert ending["host"]
    assert local.ended(third)[0]["ending"] == "dependency"
    assert local.ended(fourth)[0]["ending"] == "ok"
    assert local.lines("log") == ["fourth"]


def test_a_chain_of_three(local: Any) -> None:
    ids: list[str] = []
    for number in range(3):
        after = {"after": ids[-1]} if ids else {}
        ids.append(local.submit(f"echo {number} >>log", elements=2, **after))
    local.ended(ids[-1])
    assert local.lines("log") == ["0", "0", "1", "1", "2", "2"]


def test_cancelled_while_it_waits(local: Any) -> None:
    first = local.submit(GATED)
    second = local.submit("echo second >>log", elements=4, after=first)
    local.cancel(second, "1-2")
    local.eventually(lambda: local.listed(second)["queued"] == [[0, 0], [3, 3]])
    local.cancel(second)
    assert {e["ending"] for e in local.ended(second).values()} == {"canceled"}
    third = local.submit("echo third >>log", after_ok=first)
    local.cancel(first)
    assert local.ended(third)[0]["ending"] == "dependency"
    assert local.lines("log") == []


@pytest.mark.parametrize(("how", "word"), [("after", "ok"), ("after_ok", "dependency")])
def test_supervisor_of_the_other_is_killed(local: Any, how: str, word: str) -> None:
    first = local.submit("sleep 1000")
    local.eventually(lambda: local.listed(first)["running"])
    second = local.submit("true", **{how: first})
    os.kill(local.listed(first)["supervisor"], signal.SIGKILL)
    assert local.ended(second)[0]["ending"] == word


@pytest.mark.parametrize("how", ["after", "after-ok"])
def test_unknown_ids_are_refused(local: Any, how: str) -> None:
    known = local.submit("true")
    local.ended(known)
    host, boot, _ = known.split(":")
    for unknown in (f"{host}:{boot}:99", f"elsewhere:{boot}:1", "7", "../1"):
        done = local.run("submit", script=f"#LOCAL --{how}={known},{unknown}\ntrue")
        assert (done.returncode, done.stdout) == (1, b"")
        assert f"there is no submission '{unknown}' on this machine" in done.stderr.decode()
    for bad in ("", ",", f"{known},"):
        done = local.run("submit", script=f"#LOCAL --{how}={bad}\ntrue")
        assert (done.returncode, done.stdout) == (1, b"")
        assert "ids of submissions" in done.stderr.decode()
    assert [entry["id"] for entry in local.ask("history")] == [known]


def test_waiting_holds_no_slot(local: Any) -> None:
    first = local.submit(GATED)
    waiting = local.submit("true", elements=2, cpus=2, after=first)
    other = local.submit("true", elements=3)
    assert len(local.ended(other)) == 3
    assert local.listed(waiting)["queued"] == [[0, 1]]
    open_gate(local)
    assert {e["ending"] for e in local.ended(waiting).values()} == {"ok"}
