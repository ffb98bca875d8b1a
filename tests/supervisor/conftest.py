"""A local cluster of its own for each test: real commands, real processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hpcbatch

ROOT = Path(hpcbatch.__file__).parents[1]  # the package under test, installed or not
DEADLINE = 25.0


def eventually(true: Callable[[], Any], what: str = "") -> Any:
    """The first answer of ``true`` that holds."""
    give_up = time.monotonic() + DEADLINE
    while time.monotonic() < give_up:
        if answer := true():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"in vain: {what or true}")


class Local:
    eventually = staticmethod(eventually)

    def __init__(self, base: Path, work: Path):
        self.base, self.work = base, work
        self.environment = {
            **{key: value for key, value in os.environ.items() if "HPCBATCH" not in key},
            "HPCBATCH_LOCAL_SPOOL": str(base),
            "HPCBATCH_LOCAL_SLOTS": "2",
            "PYTHONPATH": str(ROOT),
        }

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "hpcbatch.supervisor", *args]

    def run(self, *args: str, script: str | bytes = b"", **env: str) -> Any:
        content = script if isinstance(script, bytes) else script.encode()
        return subprocess.run(
            self.command(*args),
            input=content,
            capture_output=True,
            timeout=60,
            env={**self.environment, **env},
            check=False,
        )

    def ask(self, *args: str) -> Any:
        done = self.run(*args)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def script(self, body: str, **directives: Any) -> str:
        told = " ".join(f"--{key.replace('_', '-')}={value}" for key, value in directives.items())
        return f"#!/bin/bash\n#LOCAL {told}\ncd '{self.work}'\n{body}\n"

    def submit(self, body: str, env: dict[str, str] | None = None, **directives: Any) -> str:
        done = self.run("submit", script=self.script(body, **directives), **(env or {}))
        assert done.returncode == 0, done.stderr.decode()
        return str(done.stdout.decode().strip())

    def everything(self) -> list[dict[str, Any]]:
        return list(self.ask("list"))

    def listed(self, id: str) -> dict[str, Any]:
        return next((entry for entry in self.everything() if entry["id"] == id), {})

    def endings(self, id: str) -> dict[int, dict[str, Any]]:
        return {entry["index"]: entry for entry in self.ask("history", id)[0]["elements"]}

    def words(self, id: str) -> list[str]:
        return [entry["ending"] for entry in self.ask("history", id)[0]["elements"]]

    def ended(self, id: str) -> dict[int, dict[str, Any]]:
        """Wait for the whole submission to end."""
        eventually(lambda: not self.listed(id), f"{id} to end")
        return self.endings(id)

    def cancel(self, *args: str) -> None:
        done = self.run("cancel", *args)
        assert done.returncode == 0, done.stderr.decode()

    def folder(self, id: str) -> Path:
        return next(self.base.glob("hpcbatch-*")) / id.rpartition(":")[2]

    def lines(self, name: str) -> list[str]:
        path = self.work / name
        return path.read_text().splitlines() if path.exists() else []

    def number(self, name: str) -> int:
        """A number (a pid) that an element writes into the file, once it has."""
        return int(eventually(lambda: self.lines(name), f"{name} to be written")[0])

    def peak(self, name: str = "log") -> int:
        """The most elements at once, by lines of + and -."""
        now = most = 0
        for line in self.lines(name):
            now += 1 if line.startswith("+") else -1
            most = max(most, now)
        return most

    def processes(self) -> list[int]:
        """Supervisors, shepherds, elements, and what came of them: all carry the spool's name."""
        mark, found = f"HPCBATCH_LOCAL_SPOOL={self.base}".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found

    def nothing_lives(self) -> None:
        eventually(lambda: not self.processes(), "all processes to end")


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    (tmp_path / "work").mkdir()
    (tmp_path / "spool").mkdir()
    cluster = Local(tmp_path / "spool", tmp_path / "work")
    try:
        yield cluster
        for entry in cluster.everything():
            cluster.cancel(entry["id"], "--kill-wait", "0")
        cluster.nothing_lives()
    finally:
        for pid in cluster.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
