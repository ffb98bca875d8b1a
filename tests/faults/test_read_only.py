"""A registry that cannot be written: what was committed is read, nothing else is pretended."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.words.errors import RegistryError, RegistryUnwritable
from tests.core import ROOT, Case, run_python

from .disks import done_records, mounted

NOTE = "newer records are not counted"
WRITING: dict[str, Callable[[hb.Task], Any]] = {
    "submit": lambda task: task.submit("local"),
    "cancel": lambda task: task.cancel(),
    "resubmit": lambda task: task.resubmit("local"),
    "remove": lambda task: task.remove(),
}


@contextmanager
def read_only(folder: str) -> Iterator[None]:
    with mounted(Path(folder), "--bind", folder):
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield


def finished_and_more(more: bool) -> Case:
    """Two attempts of three jobs: the first is folded; the second only when there is no more."""
    case = Case.of(abs, [0, -1, -2])
    case.submit([0, 1])
    assert case.run() == 0
    case.view()
    case.submit([2])
    if more:
        assert case.run(2) == 0
    return case


@pytest.fixture
def half_folded(root: None) -> Iterator[Case]:
    """A read-only registry with two jobs folded, and the record of a third that is not."""
    case = finished_and_more(more=True)
    with read_only(case.registry.root):
        yield case


@pytest.mark.usefixtures("root")
def test_a_finished_task_is_read_without_any_note() -> None:
    case = Case.of(abs, [0, -1])
    case.submit()
    assert case.run() == 0
    case.view()
    case.view()  # the second fold forgets the segments of the first
    with read_only(case.registry.root):
        status = case.task.status()
        assert (status.counts["done"], status.notes) == (2, ())
        assert case.task.wait(0, progress=False).idle
        assert case.task.collect() == [0, 1]


def test_what_was_committed_is_told_with_a_note_about_the_rest(half_folded: Case) -> None:
    task = hb.restore("last")
    status = task.status()
    assert status.counts["done"] == 2
    (note,) = status.notes
    assert NOTE in note
    assert "Read-only file system" in note
    with pytest.warns(RuntimeWarning, match=f"{NOTE}.*Read-only file system"):
        assert [job.state for job in task.jobs()][:2] == ["done", "done"]
    with pytest.warns(RuntimeWarning, match=NOTE):
        assert task.collect("skip") == [0, 1]
    with pytest.warns(RuntimeWarning, match=NOTE):
        assert task.errors() == []
    assert [one.status().counts["done"] for one in hb.tasks()] == [2]


def test_waiting_for_what_cannot_be_seen_ends_with_the_reason(half_folded: Case) -> None:
    with pytest.raises(RegistryError, match="Read-only file system"):
        half_folded.task.wait(progress=False)


@pytest.mark.parametrize("verb", WRITING)
def test_what_changes_a_task_is_refused(half_folded: Case, verb: str) -> None:
    before = sorted(os.listdir(half_folded.layout.folder))
    expected = (RegistryUnwritable, hb.StateError) if verb == "remove" else RegistryUnwritable
    with pytest.raises(expected):
        WRITING[verb](half_folded.task)
    assert sorted(os.listdir(half_folded.layout.folder)) == before


def test_a_task_cannot_be_made_there(half_folded: Case) -> None:
    with pytest.raises(RegistryUnwritable, match="Read-only file system"):
        hb.create(abs, [1])
    with pytest.raises(RegistryUnwritable, match="Read-only file system"):
        hb.create(abs, [1], root=f"{half_folded.registry.root}/new")


def test_the_command_line_reads_and_refuses(half_folded: Case) -> None:
    task = half_folded.task.id
    told = cli("status", task)
    assert NOTE in told.stdout + told.stderr
    assert json.loads(cli("status", task, "--json").stdout)["counts"]["done"] == 2
    assert len(json.loads(cli("jobs", task, "--json").stdout)) == 3
    for command in (["jobs"], ["errors"], ["collect", "--on-error", "skip"]):
        told = cli(*command, task)
        assert (told.returncode, told.stderr.count(NOTE)) == (0, 1)
    for verb in ("cancel", "resubmit"):
        refused = cli(verb, task)
        assert refused.returncode == 5
        assert "Read-only file system" in refused.stderr


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    ended = run_python(["-m", "hpcbatch", *arguments])
    assert "Traceback" not in ended.stderr
    return ended


def test_once_it_can_be_written_again_everything_counts() -> None:
    case = finished_and_more(more=True)
    assert case.values() == {0: 0, 1: 1, 2: 2}
    assert case.task.status().notes == ()


AS_USER = """
import json, os, stat, sys
sys.path.insert(0, sys.argv[1])
os.environ["HPCBATCH_ROOT"] = sys.argv[2]
import hpcbatch as hb
from hpcbatch.words.errors import RegistryUnwritable
task = hb.restore("last")
status = task.status()
told = {"done": status.counts["done"], "notes": status.notes, "values": task.collect("skip")}
for verb in ("submit", "cancel", "resubmit"):
    try:
        getattr(task, verb)()
    except RegistryUnwritable as error:
        told[verb] = str(error)
print(json.dumps(told))
"""


@pytest.mark.parametrize("modes", [(0o500, 0o400), (0o500, 0o600)], ids=["all", "folders"])
def test_modes_that_forbid_writing_are_told_to_an_ordinary_user(modes: tuple[int, int]) -> None:
    case = finished_and_more(more=True)
    root = case.registry.root
    try:
        set_modes(root, *modes)
        ended = run_without_privilege(AS_USER, str(ROOT), root)
    finally:
        set_modes(root, 0o700, 0o600)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["done"] >= 2
    assert NOTE in told["notes"][0]
    assert "Permission denied" in told["notes"][0]
    assert told["values"][:2] == [0, 1]
    assert told.keys() >= {"submit", "cancel", "resubmit"}
    assert case.values() == {0: 0, 1: 1, 2: 2}
    assert set(done_records(case.layout).values()) == {1}


LOOK_AT_ALL = """
import json, subprocess, sys, warnings
sys.path.insert(0, sys.argv[1])
import hpcbatch as hb
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    told = {"tasks": [task.id for task in hb.tasks()]}
told["warned"] = [str(each.message) for each in warned]
for command in (["list"], ["tend", "--once"], ["status", sys.argv[2]]):
    ended = subprocess.run(
        [sys.executable, "-m", "hpcbatch", *command], capture_output=True, text=True
    )
    told[command[0]] = [ended.returncode, ended.stdout, ended.stderr]
print(json.dumps(told))
"""


@pytest.mark.parametrize("locked", ["", "/attempts"], ids=["task", "attempts"])
def test_a_task_that_may_not_be_read_hides_no_other(
    locked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    one, other = (finished_and_more(more=True) for _ in range(2))
    folder = one.layout.folder + locked
    os.chmod(folder, 0)
    try:
        ended = run_without_privilege(LOOK_AT_ALL, str(ROOT), one.task.id)
    finally:
        os.chmod(folder, 0o700)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    why = rf"cannot read {re.escape(folder)}\S*: Permission denied\. Its owner"
    assert other.task.id in told["tasks"]
    if not locked:
        assert re.match(why, "".join(told["warned"]))
    for command in ("list", "tend"):
        status, out, err = told[command]
        assert status == 0
        assert other.task.id in out
        assert len(re.findall(why, err)) == 1
    status, _, err = told["status"]
    assert status == 5
    assert "Permission denied" in err


def set_modes(root: str, folders: int, files: int) -> None:
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            os.chmod(f"{folder}/{name}", files)
        os.chmod(folder, folders)


def run_without_privilege(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As somebody whom file modes bind; root is one without two capabilities."""
    bound = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(
        [*(bound if os.getuid() == 0 else []), *command],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
