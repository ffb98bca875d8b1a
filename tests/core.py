"""Tasks, attempts and elements for tests: the real files, the real runner, no cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hpcbatch.disk.index import DONE, read_entries
from hpcbatch.disk.records import read_records
from hpcbatch.handles.task import Task
from hpcbatch.handles.tasks import create
from hpcbatch.registry import tracker
from hpcbatch.registry.attempts import next_number, write_attempt
from hpcbatch.registry.registry import Registry
from hpcbatch.registry.results import Results
from hpcbatch.registry.view import View
from hpcbatch.runner.bundle import ensure_runner
from hpcbatch.use.code import has_data
from hpcbatch.words.assignment import Assignment
from hpcbatch.words.events import HEAD, Event
from hpcbatch.words.model import STATES, Array, Attempt
from hpcbatch.words.plan import Plan
from hpcbatch.words.ranges import Ranges

ROOT = Path(__file__).resolve().parents[1]
DEADLINE = 30.0


def packed_event(
    kind: int,
    attempt: int,
    element: int,
    job: int = 0,
    started: float = 0.0,
    ended: float = 0.0,
    body: bytes = b"",
) -> bytes:
    """As a process of an attempt writes it."""
    return HEAD.pack(kind, attempt, element, job, started, ended, 0, 0, 0, 0.0) + body


def eventually(true: Callable[[], Any], what: str = "") -> Any:
    """The first answer of ``true`` that holds."""
    give_up = time.monotonic() + DEADLINE
    pause = 0.01
    while time.monotonic() < give_up:
        if answer := true():
            return answer
        time.sleep(pause)
        pause = min(pause * 1.2, 0.2)  # others need the machine as well
    raise AssertionError(f"in vain: {what or true}")


def at_rest(pid: int) -> bool:
    """Whether a process waits for something, and goes on doing so for a while."""
    for _ in range(20):
        with open(f"/proc/{pid}/stat") as stat:
            if stat.read().rpartition(")")[2].split()[0] != "S":
                return False
        time.sleep(0.02)
    return True


def everyone(njobs: int) -> Ranges:
    return Ranges([(0, njobs)])


def make_attempt(
    number: int,
    jobs: Ranges,
    elements: int = 1,
    *,
    submitted: bool = True,
    when: float = 1000.0,
    **more: Any,
) -> Attempt:
    """An attempt of one array, which the scheduler has taken as ``A<number>``."""
    array = Array(f"test-{number}", 0, elements, 0)
    if submitted:
        array = Array(f"test-{number}", 0, elements, 0, f"A{number}", when)
    fields: dict[str, Any] = {
        "cluster": "here",
        "scheduler": "local",
        "host": os.uname().nodename,
        "created": when,
        **more,
    }
    return Attempt(number=number, plan=Plan(jobs, elements), arrays=(array,), **fields)


class Case:
    """One task in the registry of the test, whose elements the test runs itself."""

    def __init__(self, task: Task):
        self.task = task
        self.registry: Registry = task.site.registry  # type: ignore[attr-defined]
        self.layout = self.registry.layout(task.id)

    @classmethod
    def of(cls, function: Callable[..., Any], *inputs: Any, **more: Any) -> Case:
        return cls(create(function, *inputs, **more))

    def submit(self, jobs: Iterable[int] | None = None, elements: int = 1, **orders: Any) -> int:
        """Write an attempt as ``submit`` does; returns its number."""
        spec = self.task.spec
        number = next_number(self.layout)
        chosen = everyone(spec.njobs) if jobs is None else Ranges.of(jobs)
        code = ["code.zip"] if os.path.exists(self.layout.code) else []
        own = {"code": code, "unpacked": [name for name in code if has_data(self.layout.code)]}
        assignment = Assignment(spec.kind, spec.names, spec.seed)._replace(**own, **orders)
        write_attempt(self.layout, make_attempt(number, chosen, elements), assignment)
        return number

    def command(self, attempt: int, element: int, python: str = sys.executable) -> list[str]:
        runner = ensure_runner(self.registry.root)
        return [python, runner, self.layout.folder, str(attempt), str(element)]

    @contextmanager
    def element(
        self,
        attempt: int = 1,
        element: int = 0,
        *,
        python: str = sys.executable,
        env: dict[str, str] | None = None,
        **more: Any,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """An element that runs, its output appended to its log as in a rendered script."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND  # as a shell does: Python's "ab" also seeks
        log = os.open(self.layout.log(attempt, element), flags, 0o600)
        try:
            process = subprocess.Popen(
                self.command(attempt, element, python),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.registry.root,
                env={**os.environ, **(env or {})},
                **more,
            )
        finally:
            os.close(log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def run(self, attempt: int = 1, element: int = 0, **more: Any) -> int:
        """Run an element to its end; returns its exit status."""
        with self.element(attempt, element, **more) as process:
            return process.wait(DEADLINE)

    def log(self, attempt: int = 1, element: int = 0) -> str:
        return Path(self.layout.log(attempt, element)).read_text(errors="replace")

    def view(self) -> View:
        return tracker.refresh(self.layout, self.task.spec)

    def states(self) -> list[str]:
        return state_names(self.view())

    def values(self) -> dict[int, Any]:
        """The results of the jobs that are done."""
        import pickle

        return {job: pickle.loads(value) for job, value in self.pickles().items()}

    def pickles(self) -> dict[int, bytes]:
        self.view()
        return stored_values(self.layout, self.task.spec.njobs)

    def error(self, job: int) -> tuple[str, str, str]:
        """Type, message and traceback of a job in error."""
        self.view()
        entry = read_entries(self.layout.index, Ranges([(job, job + 1)]))[job]
        with Results(self.layout) as results:
            return results.error(job, entry)

    def events(self, name: str) -> list[Event]:
        """The events in one segment file."""
        path = f"{self.layout.segments}/{name}"
        return [Event.unpack(payload) for _, payload in read_records(path)]

    def segments(self) -> list[str]:
        return sorted(os.listdir(self.layout.segments))


def state_names(view: View) -> list[str]:
    return [STATES[code] for code in view.states]


def stored_values(layout: Any, njobs: int) -> dict[int, bytes]:
    """Pickled values by job, as a reader finds them through the index."""
    entries = read_entries(layout.index, everyone(njobs))
    with Results(layout) as results:
        return {j: results.value(j, e.place) for j, e in entries.items() if e.said == DONE}


def install(folder: Path, distribution: str, version: str, *modules: str) -> None:
    """A distribution of empty modules in ``folder``, as pip does it."""
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\n")
    with open(info / "METADATA", "a") as file:
        file.write(f"Version: {version}\n")
    (info / "top_level.txt").write_text("\n".join(modules))
    (info / "RECORD").write_text("".join(f"{name}.py,,\n" for name in modules))
    for name in modules:
        (folder / f"{name}.py").touch()


def run_script(
    folder: Path, source: str, *arguments: str, env: dict[str, str] | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run a user's script, saved in ``folder`` as main.py."""
    script = folder / "main.py"
    script.write_text(source)
    return run_python([str(script), *arguments], cwd=folder, env=env, **more)


def run_python(
    arguments: Sequence[str], *, env: dict[str, str] | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": path, **(env or {})},
        **more,
    )
