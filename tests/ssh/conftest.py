"""A host with a real sshd, and a client of its own before it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpcbatch.sites.connect import connect
from hpcbatch.sites.ssh.keeper_client import Line
from hpcbatch.sites.ssh.site import Ssh

from .sshd import Host, Sshd


class Client:
    """Its home, with ~/.ssh, and the sockets of its connections."""

    def __init__(self, home: Path, sockets: Path):
        self.home, self.sockets = home, sockets
        self.ssh = home / ".ssh"
        self.ssh.mkdir(parents=True, mode=0o700)
        self._lines: list[Line] = []

    def enter(self, patch: pytest.MonkeyPatch) -> None:
        patch.setenv("HOME", str(self.home))
        patch.setenv("HPCBATCH_SSH_SOCKETS", str(self.sockets))
        patch.setenv("HPCBATCH_SSH_SPARES", "0")  # each costs the start of an interpreter
        patch.setenv("HPCBATCH_SSH_KEEP", "60")  # should a test be killed
        patch.delenv("SSH_AUTH_SOCK", raising=False)

    def knows(self, *sshds: Sshd) -> None:
        (self.ssh / "known_hosts").write_text("".join(each.known_line() for each in sshds))

    def configure(self, *texts: str) -> None:
        (self.ssh / "config").write_text("".join(texts))

    def site(self, address: str = "ssh://login") -> Ssh:
        made = connect(address)
        assert isinstance(made, Ssh)
        self._lines.append(made.line)
        return made

    def close(self) -> None:
        for line in self._lines:
            line.close()


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    made = Host()
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def sshd(host: Host) -> Iterator[Sshd]:
    made = Sshd(host.folder / "sshd", host)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def sockets() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="hb-"))  # a socket's path is short
    try:
        yield made
    finally:
        shutil.rmtree(made)


@pytest.fixture
def client(tmp_path: Path, sockets: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """One that has never been anywhere."""
    made = Client(tmp_path / "home", sockets)
    made.enter(monkeypatch)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def regular(
    tmp_path_factory: pytest.TempPathFactory, sockets: Path, sshd: Sshd
) -> Iterator[Client]:
    """One that has logged in before, and whose connection is kept from test to test."""
    made = Client(tmp_path_factory.mktemp("regular") / "home", sockets)
    made.knows(sshd)
    made.configure(sshd.config("login"))
    with pytest.MonkeyPatch.context() as patch:
        made.enter(patch)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def site(regular: Client, monkeypatch: pytest.MonkeyPatch) -> Ssh:
    regular.enter(monkeypatch)
    return regular.site()
