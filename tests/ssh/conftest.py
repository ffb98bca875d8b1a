"""A host with a real sshd, and a client of its own before it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpcbatch.sites.connect import connect
from hpcbatch.sites.ssh.line import Line
from hpcbatch.sites.ssh.site import Ssh

from .sshd import Host, Sshd


class Client:
    """Its home, with ~/.ssh, and the sockets of its connections."""

    def __init__(self, home: Path, sockets: Path):
        self.home, self.sockets = home, sockets
        self.ssh = home / ".ssh"
        self.ssh.mkdir(parents=True, mode=0o700)
        self._lines: list[Line] = []

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


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    sockets = Path(tempfile.mkdtemp(prefix="hb-"))  # a socket's path is short
    monkeypatch.setenv("HPCBATCH_SSH_SOCKETS", str(sockets))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    made = Client(tmp_path / "home", sockets)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(sockets)


@pytest.fixture
def site(client: Client, sshd: Sshd) -> Ssh:
    """As a user has it who has logged in before."""
    client.knows(sshd)
    client.configure(sshd.config("login"))
    return client.site()
