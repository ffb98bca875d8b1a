"""The submit command or its client killed at any moment: no array or one, which is adopted; never
two. The user has to submit once more at most."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

import hpcbatch as hb
from hpcbatch.cluster import shell
from hpcbatch.use import in_doubt
from hpcbatch.words.model import UNKNOWN_ID
from tests.cluster.conftest import Harness, eventually, write_program
from tests.conftest import IS_LONG

from .clients import Client
from .conftest import CLUSTERS
from .traces import Execution, read_executions, traced

KILLS = 40 if IS_LONG else 6  # of the submit command; half as many in each other way
GRACE = in_doubt.GRACE if IS_LONG else 20.0
LONGEST_DELAY = 0.08  # seconds until the submit command is killed
LONGEST_LIFE = 0.8  # of a client that is killed wherever it is
PATIENCE = 240.0
AT_ONCE = 3

START = """import os, signal, subprocess, sys, time
client = os.getppid()
real = subprocess.Popen([{real!r}, *sys.argv[1:]])
try:
    sys.exit(real.wait({delay}))
except subprocess.TimeoutExpired:
    pass
"""
WAYS = {
    "the command": "real.kill(); real.wait(); os.kill(os.getpid(), signal.SIGKILL)",
    "the command in a script": "real.kill(); real.wait(); sys.exit(128 + signal.SIGKILL)",
    "the client of a command": "os.kill(client, signal.SIGKILL); sys.exit(real.wait())",
    "the client": "sys.exit(real.wait())",
}


TAKEN_LATE = """import os, subprocess, sys, time
script, command = sys.stdin.buffer.read(), os.getpid()
if os.fork():
    time.sleep(600)
os.setsid()
while os.getppid() == command:
    time.sleep(0.05)
time.sleep(1)
subprocess.run([{real!r}, *sys.argv[1:]], input=script, stdout=subprocess.DEVNULL)
"""


class Submission:
    """A task of one job, whose submission somebody kills."""

    def __init__(self, cluster: Harness, folder: Path, way: str, delay: float):
        self.way, self._delay, self._folder = way, delay, folder
        folder.mkdir()
        (folder / "traces").mkdir()
        self.task = cluster.create(traced(folder / "traces", 0.0, 0.0), [7], name="once")
        _shadow(cluster, folder / "bin", START + WAYS[way], delay=delay)
        self.submitted_again = 0

    def submit(self) -> None:
        log, path = self._folder / "client", str(self._folder / "bin")
        client = Client("submit", self.task.id, GRACE, log, path)
        if self.way == "the client":
            client.kill_after(self._delay * LONGEST_LIFE / LONGEST_DELAY)
        client.was_killed |= self.way == "the client of a command"
        client.wait()

    def is_done(self) -> bool:
        """Submits again as a user does who sees that nothing was submitted."""
        status = self.task.status()
        if status.counts["defined"]:
            try:
                self.task.submit()
                self.submitted_again += 1
            except hb.StateError:
                pass  # it may still show up
        return bool(status.done)

    @property
    def executions(self) -> list[Execution]:
        return read_executions(self._folder / "traces")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("cluster", CLUSTERS[1:], indirect=True)
def test_submitted_exactly_once(
    cluster: Harness,
    chance: random.Random,
    tmp_path: Path,
    tell: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(in_doubt, "GRACE", GRACE)
    command, script, of_command, client = WAYS
    ways = [command, script] * (KILLS // 2) + [of_command, client] * (KILLS // 2)
    submissions = [
        Submission(cluster, tmp_path / f"{n}", way, chance.uniform(0, LONGEST_DELAY))
        for n, way in enumerate(ways)
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(Submission.submit, submissions))
    adopted = sum(_is_known(cluster, one.task) for one in submissions)
    _wait_for_all(submissions)
    for one in submissions:
        assert len(one.executions) == 1, (one.way, one.executions)
        assert one.task.collect()[0][0] == 49
        assert one.submitted_again <= 1, one.way
        _check_arrays(cluster, one.task)
    again = sum(one.submitted_again for one in submissions)
    tell(
        f"{len(submissions)} submissions killed: {adopted} arrays known by their first look, "
        f"{len(submissions) - again} adopted or whole in all, {again} submitted again"
    )


@pytest.mark.slow
@pytest.mark.parametrize("cluster", CLUSTERS[1:], indirect=True)
def test_taken_after_the_client_gave_up(
    cluster: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grace of a submission begins when nobody waits for its answer any more."""
    monkeypatch.setattr(in_doubt, "GRACE", 5.0)
    one = Submission(cluster, tmp_path / "one", "the client", 0.0)
    _shadow(cluster, tmp_path / "late", TAKEN_LATE)
    with monkeypatch.context() as busy:
        busy.setenv("PATH", f"{tmp_path / 'late'}:{os.environ['PATH']}")
        busy.setattr(shell, "TIMEOUT", 6.0)
        with pytest.raises(hb.SubmissionUnclear):
            one.task.submit()
    _wait_for_all([one])
    assert one.submitted_again == 0
    _check_arrays(cluster, one.task)
    assert len(one.executions) == 1


def _shadow(cluster: Harness, folder: Path, source: str, **values: object) -> None:
    """Put a program of the submit command's name into a folder."""
    command = cluster.scheduler.submit_argv()[0]
    write_program(folder / command, source.format(real=shutil.which(command), **values))


def _is_known(cluster: Harness, task: hb.Task) -> bool:
    task.status()
    return any(attempt.submitted_arrays for attempt in cluster.attempts(task))


def _wait_for_all(submissions: Iterable[Submission]) -> None:
    give_up = time.monotonic() + PATIENCE + GRACE
    waiting = list(submissions)
    while waiting := [one for one in waiting if not one.is_done()]:
        told = [(one.way, str(one.task.status())) for one in waiting]
        assert time.monotonic() < give_up, told
        time.sleep(0.5)


def _check_arrays(cluster: Harness, task: hb.Task) -> None:
    """One array for each submission that was taken, none for one that was given up."""
    arrays = [array for attempt in cluster.attempts(task) for array in attempt.arrays]
    [taken] = [array for array in arrays if array.id is not None]
    told = partial(_ids, cluster.name, taken.name)
    ids = eventually(told, f"{taken.name} to be told: accounting comes some seconds late")
    assert len(ids) == 1
    assert taken.id in (UNKNOWN_ID, *ids)
    for array in arrays:
        assert array is taken or not _ids(cluster.name, array.name)


def _ids(cluster: str, name: str) -> set[str]:
    """Of the arrays of that name that the scheduler has or remembers."""
    if cluster == "slurm":
        shown = _said("scontrol", "-o", "show", "job")
        lines = [line for line in shown.splitlines() if f"JobName={name} " in f"{line} "]
        return {re.findall(r"(?:ArrayJobId|JobId)=(\d+)", line)[-1] for line in lines}
    return set(re.findall(r"^jobnumber +(\d+)", _said("qacct", "-j", name), re.MULTILINE))


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
