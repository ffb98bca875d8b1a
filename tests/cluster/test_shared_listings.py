"""One listing for all clients, and none is better than a wrong one."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from hpcbatch.cluster import shell
from hpcbatch.cluster.cluster import Cluster
from hpcbatch.cluster.profile import ClusterConfig
from hpcbatch.cluster.schedulers.answers import Limits
from hpcbatch.cluster.shared_listings import poll, poll_interval
from hpcbatch.words.look import Look

from .conftest import write_program

ROW = "7_3|RUNNING|None|n"


class Squeue:
    """A fake squeue that counts its calls."""

    def __init__(self, folder: Path):
        self.calls, self.answer = folder / "calls", folder / "answer"
        self.answer.write_text(ROW)
        write_program(
            folder / "bin" / "squeue",
            "import sys, time\n"
            f"open({str(self.calls)!r}, 'a').write('.')\n"
            "time.sleep(0.1)\n"
            f"said = open({str(self.answer)!r}).read()\n"
            "print(said)\n"
            "sys.exit(said == 'fail')",
        )

    def count(self) -> int:
        return len(self.calls.read_text()) if self.calls.exists() else 0


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Squeue:
    import os

    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return Squeue(tmp_path)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(ClusterConfig("slurm", "slurm"))


def kept(root: Path) -> Path:
    (path,) = root.glob("polls/slurm-*.json")
    return path


def age(root: Path, seconds: float) -> None:
    """Make the kept listing older."""
    fields = json.loads(kept(root).read_bytes())
    fields["tried"] -= seconds
    kept(root).write_text(json.dumps(fields))


def test_one_listing_serves_until_it_is_old(
    squeue: Squeue, cluster: Cluster, tmp_path: Path
) -> None:
    root = tmp_path / "registry"
    before = time.time()
    first, failed = poll(str(root), cluster, 60)
    assert first is not None
    assert (failed, first.time >= before) == ("", True)
    assert [(s.array, s.index, s.running) for s in first.alive] == [("7", 3, True)]
    again, _ = poll(str(root), cluster, 60)
    assert again == first
    assert squeue.count() == 1
    age(root, 61)
    poll(str(root), cluster, 60)
    assert squeue.count() == 2


def test_ten_clients_ask_once(squeue: Squeue, cluster: Cluster, tmp_path: Path) -> None:
    root = tmp_path / "registry"
    poll(str(root), cluster, 60)
    age(root, 61)
    found: list[Any] = []
    clients = [
        threading.Thread(target=lambda: found.append(poll(str(root), cluster, 60)))
        for _ in range(10)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert squeue.count() == 2
    assert len(found) == 10
    assert all(listing is not None and not failed for listing, failed in found)


def test_stuck_elements_stay_stuck(squeue: Squeue, cluster: Cluster, tmp_path: Path) -> None:
    root = tmp_path / "registry"
    squeue.answer.write_text("7_3|PENDING|JobHeldUser|n")
    first, _ = poll(str(root), cluster, 60)
    again, _ = poll(str(root), cluster, 60)
    assert squeue.count() == 1
    assert first is not None
    assert again == first
    assert [(s.stuck, s.why) for s in first.alive] == [
        (True, "JobHeldUser: 'scontrol release 7' lets it run")
    ]
    fields = json.loads(kept(root).read_bytes())
    fields["alive"] = [row[:6] for row in fields["alive"]]  # of a client before this one
    kept(root).write_text(json.dumps(fields))
    older, _ = poll(str(root), cluster, 60)
    assert older is not None
    assert [s.stuck for s in older.alive] == [False]


class Qstat:
    """A fake qstat: so many arrays in error, and what it says of each."""

    def __init__(self, folder: Path, arrays: int):
        self.calls, self.body = folder / "explained", folder / "body"
        self.explains("print('error reason 1: told')")
        row = "<job_list><JB_job_number>%d</JB_job_number><state>%s</state><tasks>1-2:1</tasks>"
        rows = "".join(f"{row}</job_list>" % (n, "Eqw" if n else "qw") for n in range(arrays + 1))
        write_program(
            folder / "bin" / "qstat",
            "import sys\n"
            "if sys.argv[1] == '-u':\n"
            f"    print('<job_info><job_info>{rows}</job_info></job_info>')\n"
            "else:\n"
            f"    open({str(self.calls)!r}, 'a').write(sys.argv[2] + ' ')\n"
            f"    exec(open({str(self.body)!r}).read())\n",
        )

    def explains(self, body: str) -> None:
        self.body.write_text(body)

    def asked(self) -> list[str]:
        return self.calls.read_text().split() if self.calls.exists() else []


@pytest.fixture
def grid_engine(squeue: Squeue) -> Cluster:
    return Cluster(ClusterConfig("sge", "sge"))


def test_at_most_8_arrays_are_explained_at_once(grid_engine: Cluster, tmp_path: Path) -> None:
    qstat = Qstat(tmp_path, 11)
    root = str(tmp_path / "registry")
    first, failed = poll(root, grid_engine, 0)
    assert first is not None
    assert failed == ""
    told = {s.array for s in first.alive if "told" in s.why}
    assert told == set(qstat.asked()) == {str(n) for n in range(1, 9)}
    assert {s.array for s in first.alive if not s.stuck} == {"0"}
    second, _ = poll(root, grid_engine, 0)
    assert second is not None
    assert qstat.asked()[8:] == ["9", "10", "11"]  # the others are known
    assert all("told" in s.why for s in second.alive if s.stuck)
    poll(root, grid_engine, 0)
    assert len(qstat.asked()) == 11


def test_failed_explanation_changes_nothing(grid_engine: Cluster, tmp_path: Path) -> None:
    qstat = Qstat(tmp_path, 3)
    qstat.explains("sys.exit(1)")
    listing = grid_engine.listing()
    assert qstat.asked() == ["1", "2", "3"]
    assert {(s.array, s.why) for s in listing.alive if s.stuck} == {(n, "") for n in "123"}
    qstat.explains("print('something else')")
    assert grid_engine.listing(listing) == replace(listing, time=ANY, answers=ANY)
    qstat.explains("print('error reason 1: told')")
    assert all(s.why for s in grid_engine.listing(listing).alive if s.stuck)


def test_explanation_that_hangs_is_the_last(
    grid_engine: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qstat = Qstat(tmp_path, 3)
    qstat.explains("import time; time.sleep(600)")
    listing = shell.run

    def hurried(argv: Any, stdin: str = "", **more: Any) -> Any:
        more["timeout"] = 1.0 if argv[1] == "-j" else None
        return listing(argv, stdin, **more)

    monkeypatch.setattr(shell, "run", hurried)
    assert len(grid_engine.listing().alive) == 8
    assert len(qstat.asked()) <= 1


def test_failed_poll_keeps_the_listing(squeue: Squeue, cluster: Cluster, tmp_path: Path) -> None:
    root = tmp_path / "registry"
    first, _ = poll(str(root), cluster, 60)
    squeue.answer.write_text("fail")
    age(root, 61)
    listing, failed = poll(str(root), cluster, 60)
    assert listing == first
    assert "squeue" in failed
    assert poll(str(root), cluster, 60) == (first, failed)  # others hear of it too
    assert squeue.count() == 2  # and do not ask again at once
    squeue.answer.write_text(ROW)
    age(root, 61)
    listing, failed = poll(str(root), cluster, 60)
    assert listing is not None
    assert first is not None
    assert (failed, listing.time > first.time) == ("", True)


def test_first_poll_that_fails(squeue: Squeue, cluster: Cluster, tmp_path: Path) -> None:
    squeue.answer.write_text("fail")
    listing, failed = poll(str(tmp_path / "registry"), cluster, 60)
    assert listing is None
    assert failed


def test_missing_program(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    listing, failed = poll(str(tmp_path / "registry"), cluster, 60)
    assert listing is None
    assert "squeue cannot be run" in failed


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"tried": "now", "failed": "", "time": 1, "alive": []}',
        '{"tried": 1, "failed": "", "time": "x", "alive": []}',
        '{"tried": 99999999999, "failed": "", "time": 1, "alive": [["7"]]}',
        '{"tried": 99999999999, "failed": "", "time": 1, "alive": 5}',
        '{"tried": 99999999999, "failed": "", "time": 1, "alive": []}',
    ],
)
def test_damaged_file_or_clock(
    squeue: Squeue, cluster: Cluster, tmp_path: Path, content: str
) -> None:
    root = tmp_path / "registry"
    poll(str(root), cluster, 60)
    kept(root).write_text(content)
    listing, failed = poll(str(root), cluster, 60)
    assert squeue.count() == 2
    assert listing is not None
    assert (len(listing.alive), failed) == (1, "")


def test_interval_grows_with_age(cluster: Cluster) -> None:
    ages = (0, 6, 60, 300, 10_000, -5)
    intervals = {look: [poll_interval(cluster, age, look) for age in ages] for look in Look}
    assert intervals[Look.ON_AND_ON] == [2.0, 4.0, 40.0, 120.0, 120.0, 2.0]
    assert intervals[Look.ONCE] == [2.0, 4.0, 10.0, 10.0, 10.0, 2.0]
    assert set(intervals[Look.AFRESH]) == {0.0}
    own = Cluster(ClusterConfig("a", "slurm", poll_seconds=(5.0, 7.0)))
    assert [poll_interval(own, age, Look.ONCE) for age in (0, 9, 100)] == [5.0, 6.0, 7.0]


def scontrol(folder: Path, said: str) -> Path:
    calls = folder / "limit-calls"
    body = f"open({str(calls)!r}, 'a').write('.'); print({said!r})"
    write_program(folder / "bin" / "scontrol", body)
    return calls


def test_limits_are_asked_once_a_day(squeue: Squeue, cluster: Cluster, tmp_path: Path) -> None:
    root = tmp_path / "registry"
    root.mkdir()
    calls = scontrol(tmp_path, "MaxArraySize = 1001")
    assert [cluster.limits(str(root)).array for _ in range(3)] == [1001] * 3
    assert calls.read_text() == "."
    own = Cluster(ClusterConfig("a", "slurm", array_limit=10))
    assert own.limits(str(root)).array == 10
    path = root / "polls" / f"limits-slurm-{os.uname().nodename}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "time": time.time() - 90_000}))
    cluster.limits(str(root))
    assert calls.read_text() == ".."
    path.write_text("damaged")
    assert cluster.limits(str(root)).array == 1001


def test_limits_that_make_no_sense_are_not_kept(
    squeue: Squeue, cluster: Cluster, tmp_path: Path
) -> None:
    from hpcbatch.words.errors import SubmissionDeferred

    root = tmp_path / "registry"
    scontrol(tmp_path, "Welcome to the cluster!")
    with pytest.raises(SubmissionDeferred, match=r"(?s)array_limit.*MaxArraySize"):
        cluster.limits(str(root))
    own = Cluster(ClusterConfig("a", "slurm", array_limit=10, memory_unit="GB"))
    assert own.limits(str(root)) == Limits(10, memory_unit="GB")
    scontrol(tmp_path, "MaxArraySize = 1001")
    assert cluster.limits(str(root)).array == 1001


def test_limits_that_cannot_be_asked_now_are_those_of_before(
    squeue: Squeue, cluster: Cluster, tmp_path: Path
) -> None:
    root = tmp_path / "registry"
    root.mkdir()
    scontrol(tmp_path, "MaxArraySize = 1001")
    cluster.limits(str(root))
    path = root / "polls" / f"limits-slurm-{os.uname().nodename}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "time": time.time() - 90_000}))
    scontrol(tmp_path, "the controller is away")
    assert cluster.limits(str(root)).array == 1001
