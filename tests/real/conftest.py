"""Real clusters, and what happens on them from outside of a task: the two that others use too, and
a Slurm of our own that a test may break (tests/clusters/trial.sh)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.words.errors import CodeWarning
from tests.cluster.conftest import Harness, eventually
from tests.conftest import REQUIRED
from tests.core import ROOT

from .counting import counting

SCRIPT = str(ROOT / "tests" / "clusters" / "trial.sh")
PROGRAMS = ("slurmctld", "slurmd", "slurmdbd", "mariadbd", "mariadb-install-db")
UP = {"idle", "mixed", "allocated", "completing"}
PAUSE = 0.2  # seconds between two looks that cost a program


class Real(Harness):
    """A real cluster, and its own programs as any user calls them."""

    def __init__(self, name: str, folder: Path, patch: pytest.MonkeyPatch):
        super().__init__(name, "real", folder, patch)
        self._tells = False

    def call(self, *argv: str, check: bool = True) -> str:
        """What a program printed; raises CalledProcessError."""
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        if check and done.returncode:
            raise AssertionError(f"{argv} ended with {done.returncode}: {done.stderr}")
        return done.stdout + done.stderr

    def array_of(self, task: hb.Task) -> str:
        """The id of the last array that was submitted."""
        return str(self.attempts(task)[-1].submitted_arrays[-1].id)

    def element_of(self, task: hb.Task, element: int) -> str:
        """The scheduler's own name of an element."""
        mark = "_" if self.name == "slurm" else "."
        return f"{self.array_of(task)}{mark}{self.scheduler.base + element}"

    def words(self, task: hb.Task) -> dict[int, str]:
        """The scheduler's own word for each element that it lists."""
        return {
            index - self.scheduler.base: sighting.word
            for index, sighting in self.alive(self.array_of(task)).items()
            if index is not None
        }

    def begun(self) -> Counter[int]:
        """How often each job has begun, by ``told``."""
        return Counter(int(line) for line in self.lines() if line.isdigit())

    def wait_begun(self, **counts: int) -> None:
        """``job_0=2``: until job 0 has begun twice."""
        wanted = Counter({int(name.removeprefix("job_")): n for name, n in counts.items()})
        eventually(lambda: not wanted - self.begun(), f"{wanted} to begin, not {self.begun()}")

    def told(self, held: Collection[int] | None = None) -> Callable[[int], int]:
        """A function whose calls log their job; those ``held`` (all, by default) wait for the
        gate, and no exception but a BaseException that is not a user's keeps them from it."""
        log, gate = str(self.log), str(self.gate)
        self._tells = True

        def job(x: int) -> int:
            import contextlib
            import os
            import time

            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(out, f"{x}\n".encode())
            os.close(out)
            give_up = time.monotonic() + 240
            while (held is None or x in held) and time.monotonic() < give_up:
                with contextlib.suppress(Exception, KeyboardInterrupt):
                    if os.path.exists(gate):
                        break
                    time.sleep(0.02)
            return x * x

        return job

    def counting(self) -> Any:
        """A callable that can go on where it was, see there."""
        return counting(str(self.log), str(self.gate))

    def create(self, function: Callable[..., Any], *inputs: Any, **more: Any) -> hb.Task:
        with warnings.catch_warnings():
            # a class that travels by value still carries the name of the module that made it
            warnings.simplefilter("ignore", CodeWarning)
            return super().create(function, *inputs, **more)

    def clean(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a submission that never came about
            super().clean()

    def start(self, task: hb.Task, running: int, **options: Any) -> hb.Task:
        """Submit, and wait until so many jobs are known to run, and have told so by ``told``: a
        job is running a moment before its function is."""
        before = self.begun().total()
        task.submit(**options)
        eventually(lambda: task.status().running == running, f"{running} running", PAUSE)
        if self._tells:
            eventually(lambda: self.begun().total() >= before + running, "what they log", PAUSE)
        return task

    def reasons(self, task: hb.Task) -> dict[int, str]:
        """Why jobs expired, once no more is to be told of any."""
        task.wait(timeout=90, progress=False)
        return {job.index: job.reason for job in task.jobs("expired")}


class Trial(Real):
    """A Slurm of our own."""

    def __init__(self, base: Path, folder: Path, patch: pytest.MonkeyPatch):
        patch.setenv("SLURM_CONF", str(base / "slurm.conf"))
        super().__init__("slurm", folder, patch)
        self.base = base

    def node_of(self, task: hb.Task, element: int = 0) -> str:
        """The node that runs an element."""
        return self.call("squeue", "-h", "-o", "%N", "-j", self.element_of(task, element)).strip()

    def set_node(self, node: str, state: str) -> None:
        self.call("scontrol", "update", f"nodename={node}", f"state={state}", "reason=test")

    def end_controller(self) -> None:
        pid = int((self.base / "run" / "slurmctld.pid").read_text())
        os.kill(pid, signal.SIGTERM)  # killed outright, it may forget the newest arrays
        eventually(lambda: not _is_alive(pid), "slurmctld to end")

    def start_controller(self) -> None:
        subprocess.run([SCRIPT, "controller", str(self.base)], check=True, timeout=120)
        eventually(lambda: self._states() is not None, "slurmctld to answer", PAUSE)

    def clean(self) -> None:
        """Slurm may go on listing what ended while its controller was down: it is told again."""
        for task in self._made:
            for attempt in self.attempts(task):
                for array in attempt.submitted_arrays:
                    self.call("scancel", str(array.id), check=False)
        super().clean()

    def heal(self) -> None:
        """As it was: for the next test."""
        self.start_controller()
        eventually(self._is_whole, "nodes to be up", PAUSE)

    def _is_whole(self) -> bool:
        states = self._states() or {}
        for node, state in states.items():
            if state.startswith(("down", "drain")):
                self.set_node(node, "resume")
        return bool(states) and set(states.values()) <= UP

    def _states(self) -> dict[str, str] | None:
        answer = subprocess.run(
            ["sinfo", "-h", "-N", "-o", "%N %T"], capture_output=True, text=True, check=False
        )
        if answer.returncode:
            return None
        rows = (line.split() for line in answer.stdout.splitlines())
        return {row[0]: row[1] for row in rows}


def _is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def why_no_trial() -> str:
    """Why there can be no Slurm of our own; empty when there can."""
    if os.getuid() != 0:
        return "only root can start daemons"
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    absent = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    return f"not installed ({SCRIPT} install): {', '.join(absent)}" if absent else ""


@pytest.fixture(scope="session")
def trial_base() -> Iterator[Path]:
    if reason := why_no_trial():
        if "slurm" in REQUIRED:
            pytest.fail(f"a Slurm of our own is required and {reason}", pytrace=False)
        pytest.skip(reason)
    command = [SCRIPT, "start", str(os.getpid())]
    started = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=240, check=True)
    base = started.stdout.strip()
    try:
        yield Path(base)
    finally:
        subprocess.run([SCRIPT, "stop", base], check=True, timeout=120)


@pytest.fixture
def trial(trial_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    made = Trial(trial_base, tmp_path, monkeypatch)
    try:
        yield made
    finally:
        made.heal()
        made.clean()


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Real]:
    """The Slurm that others use too: without accounting."""
    yield from _shared("slurm", tmp_path, monkeypatch)


@pytest.fixture
def sge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Real]:
    yield from _shared("sge", tmp_path, monkeypatch)


def _shared(name: str, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Real]:
    made = Real(name, folder, patch)
    try:
        yield made
    finally:
        made.clean()
