"""This machine as a cluster: the real supervisor, real processes, in folders of the test."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import hpcbatch as hb
from hpcbatch.disk.process_tree import marked
from hpcbatch.registry import tracker
from hpcbatch.registry.attempts import read_attempts
from hpcbatch.registry.view import View
from hpcbatch.words.layout import TaskLayout
from hpcbatch.words.model import Attempt
from tests.core import eventually

SLOW = 90.0  # seconds for a task of short jobs, also on a busy machine


def configured(**settings: Any) -> None:
    """Change the cluster ``local`` of the configuration."""
    path = Path(os.environ["HPCBATCH_CONFIG"])
    content = yaml.safe_load(path.read_text())
    content["clusters"]["local"] |= settings
    path.write_text(yaml.safe_dump(content))


class Local:
    """Makes tasks for the cluster ``local``, and knows what their jobs did."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.log = str(folder / "log")
        self.gate = str(folder / "gate")
        self._made: list[hb.Task] = []

    def create(self, function: Callable[..., Any], *inputs: Any, **more: Any) -> hb.Task:
        by_value(function)
        task = hb.create(function, *inputs, **more)
        self._made.append(task)
        return task

    def run(self, task: hb.Task, **options: Any) -> hb.TaskStatus:
        """Submit, and wait for the end."""
        task.submit("local", **options)
        return self.wait(task)

    def wait(self, task: hb.Task) -> hb.TaskStatus:
        return task.wait(timeout=SLOW, progress=False)

    def lines(self) -> list[str]:
        """What jobs wrote to ``log``."""
        return Path(self.log).read_text().split() if os.path.exists(self.log) else []

    def executions(self) -> Counter[int]:
        """How often each job began, where jobs tell their number in ``log``."""
        return Counter(map(int, self.lines()))

    def began(self, count: int) -> None:
        """Wait until jobs have told so many lines."""
        eventually(lambda: len(self.lines()) >= count, f"{count} jobs to begin")

    def open_gate(self) -> None:
        Path(self.gate).touch()

    def view(self, task: hb.Task) -> View:
        return tracker.refresh(self.layout(task), task.spec)

    def layout(self, task: hb.Task) -> TaskLayout:
        return TaskLayout(*os.path.split(task.folder))

    def attempts(self, task: hb.Task) -> list[Attempt]:
        return read_attempts(self.layout(task))

    def processes(self, task: hb.Task) -> list[int]:
        """Pids of all that elements of the task have started, and that is still there."""
        ids = [str(array.id) for a in self.attempts(task) for array in a.submitted_arrays]
        spool = {"HPCBATCH_LOCAL_SPOOL": os.environ["HPCBATCH_LOCAL_SPOOL"]}  # ids come again
        return [one.pid for id in ids for one in marked({**spool, "HPCBATCH_LOCAL_ID": id})]

    def ended(self, task: hb.Task) -> None:
        """Wait until nothing of the task's elements is alive."""
        eventually(lambda: not self.processes(task), f"the processes of {task.id} to end")

    def clean(self) -> None:
        self.open_gate()
        for task in self._made:
            with contextlib.suppress(hb.HpcbatchError):
                task.cancel()
        for task in self._made:
            with contextlib.suppress(hb.HpcbatchError, AssertionError):
                self.ended(task)


def by_value(function: Callable[..., Any]) -> Callable[..., Any]:
    """Else all tests would travel as its source."""
    if hasattr(function, "__code__") or isinstance(function, type):
        function.__module__ = "__main__"
    else:
        type(function).__module__ = "__main__"
    return function


def flaky(gate: str) -> Any:
    """Prints, squares, and fails for 3 until there is a file ``gate``."""

    def job(k: int) -> int:
        import os

        print(f"job {k}")
        if k == 3 and not os.path.exists(gate):
            raise ValueError(f"no gate for {k}")
        return k * k

    by_value(job)
    return job


def states(task: hb.Task) -> list[str]:
    return [job.state for job in task.jobs()]


def reasons(task: hb.Task) -> dict[int, str]:
    """Why jobs expired."""
    return {job.index: job.reason for job in task.jobs("expired")}


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Local]:
    config = tmp_path / "local.yaml"
    quick = {"scheduler": "local", "poll_seconds": [0.3, 0.6], "grace": 0.2}
    config.write_text(yaml.safe_dump({"default": "local", "clusters": {"local": quick}}))
    monkeypatch.setenv("HPCBATCH_CONFIG", str(config))
    monkeypatch.setenv("HPCBATCH_LOCAL_SLOTS", "8")
    monkeypatch.chdir(tmp_path)
    made = Local(tmp_path)
    try:
        yield made
    finally:
        made.clean()
