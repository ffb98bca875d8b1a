"""Every registered scheduler, fake and real, behind one harness."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import hpcbatch as hb
from hpcbatch.cluster import shell
from hpcbatch.cluster.cluster import Cluster
from hpcbatch.cluster.orders import ArrayOrder, ScriptOrder
from hpcbatch.cluster.schedulers import get_scheduler, scheduler_names
from hpcbatch.cluster.scripts import render
from hpcbatch.registry.attempts import read_attempts
from hpcbatch.words.layout import TaskLayout
from hpcbatch.words.model import Attempt
from hpcbatch.words.resources import Resources

from ..conftest import MARKS, REAL, why_absent

FAKES = Path(__file__).resolve().parents[1] / "fakes"
# of schedulers of other packages
MORE_FAKES = (
    os.path.abspath(os.environ["HPCBATCH_TEST_FAKES"])
    if "HPCBATCH_TEST_FAKES" in os.environ
    else ""
)
DATA = Path(__file__).resolve().parents[1] / "data"
STATE = {  # where the fakes find their state: a variable, and a path in the folder of the state
    "slurm": ("SLURM_CONF", "slurm.conf"),
    "sge": ("SGE_ROOT", ""),
    "lsf": ("LSF_ENVDIR", ""),
    "pbs": ("PBS_CONF_FILE", "pbs.conf"),
    "torque": ("PBS_DEFAULT", ""),
}
DIALECTS = {"lsf": ["openlava", "ibm"]}  # of fakes that speak more than one; in a file of that name
LIKE_OTHERS = {("lsf", "fake ibm"), ("torque", "fake")}  # what differs has tests of its own
_PLAIN: dict[str, Any] = {  # of an array without a task
    "walltime": None,
    "throttle": None,
    "after": (),
    "env": {},
    "setup": (),
    "attempt": 1,
}
SLOW = 60.0  # seconds for a task of short jobs, also on a busy machine


def _engine() -> Any:
    spec = importlib.util.spec_from_file_location("fake_engine", FAKES / "engine.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


engine = _engine()


def eventually(true: Callable[[], Any], what: str = "", pause: float = 0.1) -> Any:
    """The first answer of ``true`` that holds; it may cost a program each time."""
    give_up = time.monotonic() + SLOW
    while time.monotonic() < give_up:
        if answer := true():
            return answer
        time.sleep(pause)
        pause = min(pause * 1.2, 0.5)
    raise AssertionError(f"in vain: {what or true}")


def kinds(name: str) -> list[str]:
    """How a scheduler can be tested: here, where it needs no program; else fake and real."""
    if name in MARKS:
        return ["real"]
    if not get_scheduler(name).programs:
        return ["here"]
    fakes = [f"fake {dialect}".strip() for dialect in DIALECTS.get(name, [""])]
    return [*(fakes if programs_of(name).is_dir() else []), *(["real"] if name in REAL else [])]


def programs_of(name: str) -> Path:
    """The folder of a scheduler's fake programs, which need not be there."""
    more = Path(MORE_FAKES) / name
    return more if MORE_FAKES and more.is_dir() else FAKES / name


def every_scheduler() -> list[Any]:
    def marks(name: str, kind: str) -> list[Any]:
        if kind == "real":
            return [getattr(pytest.mark, MARKS.get(name, name))]
        return [pytest.mark.long] if (name, kind) in LIKE_OTHERS else []

    return [
        pytest.param((name, kind), id=f"{name}-{kind}".replace(" ", "-"), marks=marks(name, kind))
        for name in scheduler_names()
        for kind in kinds(name)
    ]


class Harness:
    """One scheduler under test, with its configuration and what its elements write."""

    def __init__(self, name: str, kind: str, folder: Path, patch: pytest.MonkeyPatch):
        self.name, self.kind, self.folder, self._patch = name, kind, folder, patch
        self.state = folder / "state"
        self.dialect = ""
        self.config = folder / "config.yaml"
        self.gate = folder / "gate"
        self.log = folder / "log"
        self._made: list[hb.Task] = []
        self._arrays: list[str] = []
        patch.setenv("HPCBATCH_CONFIG", str(self.config))
        patch.setenv("HPCBATCH_LOCAL_SLOTS", "8")
        self.configure()

    @property
    def scheduler(self) -> Any:
        return get_scheduler(self.name)

    @property
    def cluster(self) -> Cluster:
        return Cluster.named(self.name)

    def configure(self, **entry: Any) -> None:
        quick = {"poll_seconds": [0.4, 0.8], "grace": 0.3, "patience": 0}
        content = {"default": self.name, "clusters": {self.name: {**quick, **entry}}}
        self.config.write_text(yaml.safe_dump(content))

    def create(self, function: Callable[..., Any], *inputs: Any, **more: Any) -> hb.Task:
        function.__module__ = "__main__"  # else all tests would travel as its source
        task = hb.create(function, *inputs, **more)
        self._made.append(task)
        return task

    def array(self, body: str, count: int = 1, **order: Any) -> str:
        """Submit an array without a task: each element runs the shell lines ``body``."""
        number = len(self._arrays)
        runner = self.folder / f"runner-{number}.sh"
        runner.write_text(f"element=$3\n{body}\n")
        made = ScriptOrder(
            title="an array of its own",
            array=ArrayOrder(f"own-{number}-{os.urandom(4).hex()}", 0, count, self.scheduler.base),
            resources=Resources.parse(order.pop("resources", {})),
            folder=str(self.folder),
            log_prefix=str(self.folder / f"array-{number}-"),
            python="/bin/bash",
            runner=str(runner),
            task="none",
            **{**_PLAIN, **order},
        )
        self._arrays.append(self.cluster.submit(render(self.cluster.template, made)))
        return self._arrays[-1]

    def alive(self, array: str, before: Any = None) -> dict[int | None, Any]:
        """What the cluster lists of one array, by index."""
        return {s.index: s for s in self.cluster.listing(before).alive if s.array == array}

    def endings(self, array: str, count: int) -> dict[int | None, Any]:
        """How the elements of an array ended, once the cluster has told of all."""
        since = time.time() - 600

        def told() -> dict[int | None, Any]:
            found = {e.index: e.ending for e in self.cluster.history([array], since)}
            return found if len(found) == count else {}

        return dict(eventually(told, f"{count} endings of {array}"))

    def wait(self, task: hb.Task) -> Any:
        return task.wait(timeout=SLOW, progress=False)

    def attempts(self, task: hb.Task) -> list[Attempt]:
        folder = Path(task.folder)
        return read_attempts(TaskLayout(str(folder.parent), folder.name))

    def script(self, task: hb.Task, attempt: int = 1, name: str = "script.sh") -> str:
        return Path(task.folder, "attempts", f"{attempt:04d}", name).read_text()

    def listed(self, task: hb.Task) -> dict[tuple[str, int | None], Any]:
        """What the cluster lists of a task's arrays, by array and index."""
        ours = {array.id for a in self.attempts(task) for array in a.submitted_arrays}
        alive = self.cluster.listing().alive
        return {(s.array, s.index): s for s in alive if s.array in ours}

    def lines(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []

    def peak(self) -> int:
        """The most jobs at once, by their marks of + and -."""
        now = most = 0
        for mark in self.lines():
            now += 1 if mark.startswith("+") else -1
            most = max(most, now)
        return most

    def counted(self) -> Callable[[int], int]:
        """A function whose calls log when they begin and end, and overlap where they may."""
        log = str(self.log)

        def job(x: int) -> int:
            import os
            import time

            def mark(sign: str) -> None:
                out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.write(out, f"{sign}{x}\n".encode())
                os.close(out)

            mark("+")
            time.sleep(0.15)
            mark("-")
            return x * x

        return job

    def gated(self) -> Callable[[int], int]:
        """A function whose calls log their process, then wait until ``open_gate``."""
        log, gate = str(self.log), str(self.gate)

        def job(x: int) -> int:
            import os
            import time

            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(out, f"{os.getpid()}\n".encode())
            os.close(out)
            give_up = time.monotonic() + 120
            while not os.path.exists(gate) and time.monotonic() < give_up:
                time.sleep(0.02)
            return x * x

        return job

    def open_gate(self) -> None:
        self.gate.touch()

    @contextlib.contextmanager
    def listing_that(self, does: str) -> Iterator[None]:
        """Shadow the list program by one that fails, hangs or prints what nobody can read."""
        bodies = {
            "fails": "import sys; print('cannot contact the controller', file=sys.stderr); "
            "sys.exit(1)",
            "hangs": "import subprocess; subprocess.run(['sleep', '600'])",
            "babbles": "print('Welcome to the cluster!\\nMaintenance on Monday.')",
            "says nothing and fails": "import sys; sys.exit(3)",
        }
        program = self.scheduler.list_argv("me")[0]
        shadow = self.folder / "shadow"
        with self._patch.context() as patch:
            if program == sys.executable:  # our own supervisor, by its module
                module = shadow / "hpcbatch" / "supervisor"
                module.mkdir(parents=True, exist_ok=True)
                (shadow / "hpcbatch" / "__init__.py").touch()
                (module / "__init__.py").touch()
                (module / "__main__.py").write_text(bodies[does] + "\n")
                patch.setenv("PYTHONPATH", str(shadow))
            else:
                write_program(shadow / program, bodies[does])
                patch.setenv("PATH", f"{shadow}:{os.environ['PATH']}")
            patch.setattr(shell, "TIMEOUT", 1.0)
            yield

    def clean(self) -> None:
        self.open_gate()
        for task in self._made:
            with contextlib.suppress(hb.HpcbatchError):
                task.cancel()
        for array in self._arrays:
            with contextlib.suppress(hb.HpcbatchError):
                self.cluster.cancel(array)
        for array in self._arrays:
            with contextlib.suppress(hb.HpcbatchError):
                eventually(lambda array=array: not self.alive(array), f"{array} to leave")
        for task in self._made:
            with contextlib.suppress(hb.HpcbatchError):
                eventually(lambda task=task: not self.listed(task), f"{task.id} to leave")
        if self.kind == "fake":
            crashes = [path.read_text() for path in self.state.glob("jobs/*.crash")]
            engine.end_all(self.state)
            assert not crashes, crashes[0]


def write_program(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(0o755)


def use_fake(name: str, state: Path, patch: pytest.MonkeyPatch, dialect: str = "") -> None:
    """Put the fake programs of a scheduler first on PATH, with their state in a folder."""
    state.mkdir(exist_ok=True)
    (state / "dialect").write_text(dialect)
    variable, path = STATE.get(name) or (f"{name.upper()}_STATE", "")
    patch.setenv(variable, str(state / path))
    patch.setenv(f"{name.upper()}_ENGINE", str(FAKES))  # for those of other packages
    patch.setenv("PATH", f"{programs_of(name)}:{os.environ['PATH']}")


@pytest.fixture(params=every_scheduler())
def harness(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Harness]:
    name, kind = request.param
    kind, _, dialect = kind.partition(" ")
    is_covered = kind == "fake" and name in REAL and not why_absent(name)
    if is_covered and not request.node.get_closest_marker("stand_in"):
        pytest.skip(f"the real {name} is tested here")
    if name == "drmaa":
        request.getfixturevalue("drmaa_library")
    if kind == "fake":
        use_fake(name, tmp_path / "state", monkeypatch, dialect)
    made = Harness(name, kind, tmp_path, monkeypatch)
    made.dialect = dialect
    try:
        yield made
    finally:
        made.clean()


@pytest.fixture
def recorded() -> Callable[[str], tuple[str, int]]:
    """What a recorded command printed, and its exit status."""

    def read(name: str) -> tuple[str, int]:
        lines = (DATA / name).read_text().splitlines(keepends=True)
        status = 0
        if lines and lines[0].startswith("$ "):
            lines = lines[1:]
        if lines and lines[-1].startswith("# rc="):
            status = int(lines.pop()[len("# rc=") :])
        return "".join(lines), status

    return read
