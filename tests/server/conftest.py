"""A real server in a process of its own, in front of this machine's cluster."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.sites.connect import connect
from hpcbatch.sites.run import find_run
from tests.core import eventually


class Server:
    """That of the registry in ``root``."""

    def __init__(self, root: Path):
        self.root = root
        self.command = [sys.executable, "-m", "hpcbatch", "--root", str(root)]

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *argv], capture_output=True, text=True, timeout=100, check=False
        )

    def start(self, *argv: str) -> dict[str, Any]:
        port = () if "--port" in argv else ("--port", "0")
        started = self.run("server", "start", *port, *argv, "--json")
        assert started.returncode == 0, started.stderr
        return dict(json.loads(started.stdout))

    def stop(self, *argv: str) -> None:
        stopped = self.run("server", "stop", *argv)
        assert stopped.returncode == 0, stopped.stderr

    @property
    def pid(self) -> int:
        return int(self.told()["pid"])

    def told(self) -> dict[str, Any]:
        return dict(json.loads((self.root / "server" / "run.json").read_text()))

    def kill(self) -> None:
        pid = self.pid
        os.kill(pid, 9)
        eventually(lambda: not is_alive(pid), "the server to end")

    def site(self) -> Any:
        """As its owner."""
        return connect(None, str(self.root))


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def running(root: Path) -> Iterator[Server]:
    server = Server(root)
    server.start()
    try:
        yield server
    finally:
        if find_run(str(root)):
            server.stop()
        for task in hb.tasks(root=str(root)):
            with contextlib.suppress(hb.StateError):  # it waits in the queue
                task.cancel()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One of the test's own, which may be ended."""
    with running(tmp_path / "served") as server:
        yield server


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all that only use it."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "spool").mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPCBATCH_LOCAL_SPOOL", str(folder / "spool"))
        with running(folder / "served") as server:
            yield server
