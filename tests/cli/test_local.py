"""The whole way on this very machine, each command in a process of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Shell

SLOW = """
import os, time

def wait(x, mark):
    while x == 2 and not os.path.exists(mark):
        time.sleep(0.05)
    if x == 1:
        raise KeyError(mark)
    return os.path.basename(mark) * x
"""


@pytest.mark.slow
def test_map_cancel_resubmit_collect(hb: Shell) -> None:
    (hb.work / "slow.py").write_text(SLOW)
    mark = hb.work / "two words; $x"
    task = run(hb, 0, "map", "slow.py:wait", "--arg", "x=range:0:4", "--const", f"mark={mark}",
               "-c", "local", "--chunk", "1", "-t", "1m").strip()  # fmt: skip
    run(hb, 3, "watch", task, "--timeout", "2s")
    assert json.loads(run(hb, 1, "status", task, "--json"))["counts"]["done"] == 2
    run(hb, 3, "collect", task, "-o", "out.json")
    run(hb, 3, "remove", task)
    run(hb, 0, "cancel", task)
    mark.touch()
    run(hb, 1, "resubmit", task, "--only", "canceled", "--wait")
    assert "KeyError" in run(hb, 0, "errors", task)
    run(hb, 0, "collect", task, "-o", "out.json", "--on-error", "return")
    expected: list[Any] = ["", None, mark.name * 2, mark.name * 3]
    assert json.loads((hb.work / "out.json").read_text()) == expected
    assert len(json.loads(run(hb, 0, "jobs", task, "--json"))) == 4
    run(hb, 0, "remove", task)


@pytest.mark.slurm
def test_a_program_on_slurm(hb: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin")
    argv = ("map", "--shell", "echo {x}", "--arg", "x=a b,c", "-c", "slurm", "--wait", "--json")
    told = json.loads(run(hb, 0, *argv))
    assert told["status"]["counts"]["done"] == 2
    rows = json.loads(run(hb, 0, "collect", told["id"], "--json"))
    assert [row["result"]["output"] for row in rows] == ["a b\n", "c\n"]


def run(hb: Shell, status: int, *argv: str) -> str:
    ended = hb.program(*argv)
    assert ended.returncode == status, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout
