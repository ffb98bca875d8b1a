"""A real sshd on loopback, its user, and a home of that user where hpcbatch is set up."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hpcbatch.sites.ssh import remote_paths
from tests.conftest import SSHD, USER, USER_PYTHON
from tests.core import ROOT, eventually

USER_CONFIG = """\
default: local
clusters:
  local: {scheduler: local, poll_seconds: [0.3, 0.6], grace: 0.2}
"""


class Host:
    """A home, and what is in it, of the user who logs in: another one than who tests, for root."""

    def __init__(self, as_self: bool = False) -> None:
        self._is_other = os.getuid() == 0 and not as_self
        self.user = USER if self._is_other else pwd.getpwuid(os.getuid()).pw_name
        self.python = USER_PYTHON if self._is_other else sys.executable
        self.folder = Path(tempfile.mkdtemp(prefix="hpcbatch-sshd-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.home, self.code = self.folder / "home", self.folder / "code"
        self.env: dict[str, str] = {
            "HOME": str(self.home),
            "HPCBATCH_LOCAL_SPOOL": str(self.folder / "spool"),
            "HPCBATCH_LOCAL_SLOTS": "8",
        }
        ignored = shutil.ignore_patterns("*.tmp")
        shutil.copytree(ROOT / "hpcbatch", self.code / "hpcbatch", ignore=ignored)
        shutil.copytree(ROOT / "templates", self.code / "templates")
        (self.folder / "spool").mkdir(mode=0o700)
        remote = self.home / remote_paths.FOLDER
        remote.mkdir(parents=True)
        config = self.home / ".config/hpcbatch"
        config.mkdir(parents=True)
        (config / "hpcbatch.yaml").write_text(USER_CONFIG)
        self.enter = remote / remote_paths.entrance()
        self.write_entrance()
        self.own(self.home, self.folder / "spool")

    def write_entrance(self, *lines: str) -> None:
        module = "hpcbatch.sites.ssh.remote"
        default = f"[ $# -gt 0 ] || set -- {module}"
        words = [f"export PYTHONPATH='{self.code}'", *lines, default]
        words.append(f"exec '{self.python}' -m \"$@\"")
        self.enter.write_text("\n".join(words) + "\n")

    def own(self, *paths: Path) -> None:
        """Make them the user's."""
        if self._is_other:
            subprocess.run(["chown", "-R", f"{self.user}:", *map(str, paths)], check=True)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class Sshd:
    """One that lets in whoever has the key, as the user of ``host``."""

    def __init__(self, folder: Path, host: Host, *lines: str, first: Sequence[str] = ()):
        self.folder, self.host = folder, host
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        for name in ("host", "client"):
            make_key(folder / name)
        (folder / "authorized").write_text((folder / "client.pub").read_text())
        self.port = free_port()
        env = " ".join(f'"{name}={value}"' for name, value in host.env.items())
        settings = [
            *first,  # what is said first holds
            "ListenAddress 127.0.0.1",
            f"Port {self.port}",
            f"HostKey {folder}/host",
            f"PidFile {folder}/pid",
            f"AuthorizedKeysFile {folder}/authorized",
            f"AllowUsers {host.user}",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "UsePAM no",
            "StrictModes no",
            f"SetEnv {env}",
            *lines,
        ]
        (folder / "config").write_text("\n".join(settings) + "\n")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        if os.getuid() == 0:
            os.makedirs("/run/sshd", 0o755, exist_ok=True)
        log = open(self.folder / "log", "ab")  # noqa: SIM115
        with log:
            self._process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(self.folder / "config")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        eventually(self._answers, f"sshd: {(self.folder / 'log').read_text()}")

    def stop(self) -> None:
        self.cut()
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def cut(self) -> int:
        """End all connections as a network does that goes away; what runs there runs on. Returns
        how many there were."""
        assert self._process is not None
        children = _children(self._process.pid)
        for pid in [*children, *(pid for child in children for pid in _sshds(child))]:
            _kill(pid)
        return len(children)

    def known_line(self) -> str:
        key = (self.folder / "host.pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {key[0]} {key[1]}\n"

    def config(self, name: str, *lines: str) -> str:
        """Of a client, which calls it by ``name``."""
        words = [
            f"Host {name}",
            "  HostName 127.0.0.1",
            f"  Port {self.port}",
            f"  User {self.host.user}",
            f"  IdentityFile {self.folder}/client",
            *(f"  {line}" for line in lines),
        ]
        return "\n".join(words) + "\n"

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def make_key(path: Path, kind: str = "ed25519") -> None:
    made = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)]
    subprocess.run(made, check=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def _sshds(pid: int) -> list[int]:
    """What sshd started as itself for a session: the process of its user."""
    return [child for child in _children(pid) if _name(child).startswith("sshd")]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
