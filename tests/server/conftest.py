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
from hpcbatch.disk.files import make_folder
from hpcbatch.registry.registry import Registry
from hpcbatch.server.lifecycle import stop
from hpcbatch.sites.connect import connect
from hpcbatch.sites.run_file import find_run
from hpcbatch.words.server_layout import ServerLayout
from tests.core import eventually

from .serving import give_keys
from .warm import begin


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
        layout = ServerLayout(str(self.root))
        make_folder(layout.folder)
        give_keys(self.root)
        port = () if "--port" in argv else ("--port", "0")
        log = Path(layout.log)
        process = begin(["--root", str(self.root), "server", "run", *port, *argv], log)
        ended = f"the server ended: see {log}"

        def is_up() -> bool:
            assert process.is_alive(), ended
            run = find_run(str(self.root))
            return run is not None and run.pid == process.pid

        eventually(is_up, "the server to start")
        return self.told()

    def stop(self) -> None:
        stop(Registry(str(self.root)))

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


@pytest.fixture
def dead_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names one, where nobody listens, for all addresses."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        for spelt in (name, name.lower()):
            monkeypatch.setenv(spelt, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
