"""A shared disk that shows each side what the other wrote half a minute later, and whose locks do
not cross: Slurm's node on one mount, the client on the other (tests/clusters/lag.sh)."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import hpcbatch as hb
from tests.core import ROOT, Case

from .disks import done_records

SCRIPT = str(ROOT / "tests" / "clusters" / "lag.sh")
BASE = Path("/run/hpcbatch-testbed/lag")
FUSE = "/dev/fuse"
PATIENCE = 150.0  # seconds for anything, also when all caches are asked at the worst moment
PROGRAMS = ("sshfs", "slurmctld", "slurmd", "munged", "unshare", "nsenter", "ssh-keygen")


OBSERVER = """
import collections, json, os, sys, time
sys.path.insert(0, sys.argv[1])
import hpcbatch as hb
told = collections.Counter()
looks = 0
while not os.path.exists(sys.argv[2]):
    try:
        for task in hb.tasks():
            task.collect("skip")
            for note in task.status().notes:
                told[note] += 1
        looks += 1
    except hb.HpcbatchError as error:
        told[f"{type(error).__name__}: {error}"] += 1
    time.sleep(0.2)
print(json.dumps([looks, told]))
"""
AS_ANOTHER_HOST = ("unshare", "-u", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh")


@contextmanager
def observed_from_the_other_side(stop: Path) -> Iterator[subprocess.Popen[str]]:
    """A client that looks at all tasks again and again, on the node's mount, as another host."""
    command = [SCRIPT, "node", *AS_ANOTHER_HOST, sys.executable, "-c", OBSERVER]
    process = subprocess.Popen(
        [*command, str(ROOT), str(stop)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def lagging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The shared folder, as the client sees it."""
    if reason := why_impossible():
        pytest.skip(reason)
    try:
        subprocess.run([SCRIPT, "start"], check=True)
        monkeypatch.setenv("SLURM_CONF", str(BASE / "slurm.conf"))
        monkeypatch.setenv("HPCBATCH_ROOT", str(BASE / "shared" / "registry"))
        yield BASE / "shared"
    finally:
        subprocess.run([SCRIPT, "stop"], capture_output=True, check=False)


def why_impossible() -> str:
    """Why there can be no such disk here; empty when there can."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if absent := [name for name in PROGRAMS if shutil.which(name, path=path) is None]:
        return f"not installed ({SCRIPT} start, as root): {', '.join(absent)}"
    if os.getuid() != 0:
        return "only root can mount"
    try:
        if not os.path.exists(FUSE):
            os.mknod(FUSE, 0o600 | stat.S_IFCHR, os.makedev(10, 229))
        os.close(os.open(FUSE, os.O_RDWR))
    except OSError as error:
        return f"{FUSE} cannot be used: {error}"
    return ""


def is_late(shared: Path) -> bool:
    """Whether what the node writes is seen late here; else the tests would prove nothing."""
    folder = shared / "proof"
    folder.mkdir()
    before = os.listdir(folder)
    subprocess.run([SCRIPT, "node", "touch", str(folder / "file")], check=True)
    return before == os.listdir(folder) == []


def job_that(log: Path, gate: Path, *, fails: bool) -> Callable[[int], int]:
    """A call that is logged, on a disk that does not lag. Before the gate is opened, job 3 fails,
    or every job waits."""

    def job(x: int) -> int:
        import os
        import time

        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(out, f"{x} {os.getpid()}\n".encode())
        os.close(out)
        if fails and x == 3 and not os.path.exists(gate):
            raise ValueError("three")
        while not fails and not os.path.exists(gate):
            time.sleep(0.05)
        return x * x

    job.__module__ = "__main__"
    return job


def dies(x: int) -> int:
    import os

    if x == 1:
        os.kill(os.getpid(), 9)
    return x


class Seen:
    """The states of a task's jobs, each time that somebody looked."""

    def __init__(self, task: hb.Task):
        self.task = task
        self.states: set[str] = set()

    def look(self) -> list[str]:
        states = [job.state for job in self.task.jobs()]
        self.states.update(states)
        return states


def calls(log: Path) -> Counter[int]:
    return Counter(int(line.split()[0]) for line in log.read_text().splitlines())


def are_gone(log: Path) -> bool:
    """Whether the processes that called are no more."""
    pids = [line.split()[1] for line in log.read_text().splitlines()]
    return not any(os.path.exists(f"/proc/{pid}") for pid in pids)


@pytest.mark.long
@pytest.mark.slow
def test_the_life_of_a_task_on_a_disk_that_lags(lagging: Path, tmp_path: Path) -> None:
    assert is_late(lagging)
    gate = tmp_path / "gate"
    dies.__module__ = "__main__"
    lost = hb.create(dies, range(3)).submit("slurm", chunk=1)
    quick = hb.create(job_that(tmp_path / "quick", gate, fails=True), range(8))
    held = hb.create(job_that(tmp_path / "held", gate, fails=False), range(3))
    quick.submit("slurm", chunk=2)
    held.submit("slurm", chunk=1)
    stop = tmp_path / "stop"
    with observed_from_the_other_side(stop) as observer:
        follow(lost, quick, held, gate, tmp_path)
        stop.touch()
        out, err = observer.communicate(timeout=PATIENCE)
    assert observer.returncode == 0, err
    looks, told = json.loads(out)
    # a file that was replaced is seen half there, until its new size is known too
    strange = [note for note in told if "folded on" not in note and "DamagedFile" not in note]
    assert not strange
    assert looks > sum(count for note, count in told.items() if "DamagedFile" in note)


def follow(lost: hb.Task, quick: hb.Task, held: hb.Task, gate: Path, logs: Path) -> None:
    first, second, third = Seen(quick), Seen(held), Seen(lost)

    eventually(lambda: second.look() == ["running"] * 3, "held jobs to be seen running")
    eventually(lambda: (first.look(), quick.status().idle)[1], "the quick task to end")
    assert first.look() == ["done"] * 3 + ["error"] + ["done"] * 4
    assert first.states <= {"submitted", "queued", "running", "done", "error"}
    assert quick.collect("skip") == [0, 1, 4, 16, 25, 36, 49]
    assert [error.type for error in quick.errors()] == ["ValueError"]
    assert second.states <= {"submitted", "queued", "running"}

    held.cancel()
    assert second.look() == ["canceled"] * 3
    eventually(lambda: are_gone(logs / "held"), "the canceled jobs to end")
    gate.touch()
    quick.resubmit()
    held.resubmit()
    eventually(lambda: (third.look(), lost.status().idle)[1], "the lost task to end")
    for task in (quick, held):
        task.wait(PATIENCE, progress=False)
    assert quick.collect() == [x * x for x in range(8)]
    assert held.collect() == [0, 1, 4]
    assert calls(logs / "quick") == {x: 2 if x == 3 else 1 for x in range(8)}
    assert calls(logs / "held") == dict.fromkeys(range(3), 2)
    assert third.look() == ["done", "expired", "done"]
    assert [error.message.partition(" on ")[0] for error in lost.errors()] == ["killed by signal 9"]
    for task in (quick, held):
        layout = Case(task).layout
        assert done_records(layout) == dict.fromkeys(range(len(task)), 1)


def eventually(true: Callable[[], object], what: str) -> None:
    give_up = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < give_up, f"in vain: {what}"
        time.sleep(0.5)
