"""Who is let in, and who is trusted: host keys, jump hosts, questions, and what others can see."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.disk.locks import held
from hpcbatch.sites.ssh import connection, keeper_client, remote_paths
from hpcbatch.sites.ssh.address import Address
from hpcbatch.sites.ssh.hostkeys import Ask
from hpcbatch.sites.ssh.login import open_hop
from hpcbatch.words.version import PYTHON
from tests.core import eventually

from .asking import AskingServer
from .conftest import Client
from .sshd import Host, Sshd, make_key

pytestmark = [pytest.mark.slow, pytest.mark.sshd]


def test_a_host_that_is_not_known_is_refused_where_nobody_can_be_asked(
    client: Client, sshd: Sshd
) -> None:
    client.configure(sshd.config("login"))
    with pytest.raises(hb.ServerUnknown, match="SHA256:"):
        client.site().specs()
    assert not (client.ssh / "known_hosts").exists()


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_a_host_that_is_not_known_is_asked_about(
    client: Client, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    client.configure(sshd.config("login"))
    asked: list[str] = []

    def ask(words: str, shown: bool) -> str:
        asked.append(words)
        return answer

    monkeypatch.setattr(keeper_client, "_ask", ask)
    if answer == "no":
        with pytest.raises(hb.ServerUnknown, match="not accepted"):
            client.site().specs()
        return
    client.site().specs()
    client.close()
    client.site().specs()
    assert len(asked) == 1
    assert (client.ssh / "known_hosts").read_text() == sshd.known_line()
    assert (client.ssh / "known_hosts").stat().st_mode & 0o777 == 0o600


def test_without_a_file_of_known_hosts_nothing_is_kept(
    client: Client, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.configure(f"{sshd.config('login')}\n    UserKnownHostsFile none\n")
    monkeypatch.setattr(keeper_client, "_ask", lambda words, shown: "yes")
    client.site().specs()
    assert not (client.ssh / "known_hosts").exists()


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_a_host_whose_key_has_changed_is_refused(client: Client, sshd: Sshd, kind: str) -> None:
    """Also where only a key of another kind is known of it."""
    make_key(client.home / "other", kind)
    words = (client.home / "other.pub").read_text().split()
    known = f"[127.0.0.1]:{sshd.port} {words[0]} {words[1]}\n"
    (client.ssh / "known_hosts").write_text(known)
    client.configure(sshd.config("login"))
    with pytest.raises(hb.ServerChanged, match="Nothing was sent"):
        client.site().specs()
    assert (client.ssh / "known_hosts").read_text() == known


def test_a_key_that_is_not_known_there_is_told(client: Client, sshd: Sshd) -> None:
    client.knows(sshd)
    make_key(client.home / "other")
    text = sshd.config("login").replace(f"{sshd.folder}/client", f"{client.home}/other")
    client.configure(text)
    with pytest.raises(hb.AccessDenied, match="authorized_keys"):
        client.site().specs()


def test_a_host_that_is_not_there_is_told(client: Client, sshd: Sshd) -> None:
    client.knows(sshd)
    client.configure(sshd.config("login").replace(str(sshd.port), "1"))
    kept = {path for path in client.sockets.iterdir() if path.is_socket()}
    with pytest.raises(hb.SiteUnreachable, match="no route"):
        client.site().specs()
    eventually(
        lambda: {path for path in client.sockets.iterdir() if path.is_socket()} <= kept,
        "its keeper to end",
    )


def test_through_a_jump_host(client: Client, sshd: Sshd, host: Host) -> None:
    jump = Sshd(host.folder / "jump", host)
    try:
        client.knows(jump, sshd)
        client.configure(jump.config("jump"), sshd.config("inner", "ProxyJump jump"))
        inner = client.site("ssh://inner")
        assert inner.specs() is not None
        jump.cut()
        assert inner.specs() is not None
        client.close()
        client.knows(sshd)
        with pytest.raises(hb.ServerUnknown):
            client.site("ssh://inner").specs()
    finally:
        jump.stop()


def test_a_connection_that_is_lost_once_it_stands_is_closed_and_told(
    client: Client, sshd: Sshd, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    jump = Sshd(host.folder / "lost", host)
    opened: list[Any] = []

    def lost(hop: Any, ask: Ask) -> None:
        open_hop(hop, ask)
        opened.append(hop)
        if len(opened) == 2:
            monkeypatch.setattr(hop.transport, "sock", socket.socket())
            hop.transport.sock.close()

    monkeypatch.setattr(connection, "open_hop", lost)
    try:
        client.knows(jump, sshd)
        client.configure(jump.config("jump"), sshd.config("inner", "ProxyJump jump"))
        made = connection.Connection(Address(host="inner"))
        with pytest.raises(hb.SiteUnreachable, match=r"the connection to .* was lost"):
            made.session(keeper_client._ask)
        assert not made.is_connected
        assert [each.is_connected for each in opened] == [False, False]
    finally:
        jump.stop()


def test_a_passphrase_is_asked_for_again(
    client: Client, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a password never, where the configuration says so."""
    key = client.home / "locked"
    key.write_bytes((sshd.folder / "client").read_bytes())
    key.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "right", "-f", key], check=True)
    client.knows(sshd)
    text = sshd.config("login", "PasswordAuthentication no")
    client.configure(text.replace(f"{sshd.folder}/client", str(key)))
    answers = ["wrong"] * 4 + ["right"]
    asked: list[str] = []

    def ask(words: str, shown: bool) -> str:
        asked.append(words)
        return answers[len(asked) - 1]

    monkeypatch.setattr(keeper_client, "_ask", ask)
    with pytest.raises(hb.AccessDenied):
        client.site().specs()
    assert len(asked) == 3
    client.site().specs()
    assert len(asked) == 5
    assert all("passphrase" in words for words in asked)


@pytest.fixture
def asking(client: Client, host: Host) -> Iterator[AskingServer]:
    """One that asks for a code, and that the client knows."""
    with AskingServer(client.home / "server", host) as server:
        (client.ssh / "known_hosts").write_text(server.known_line())
        client.configure(f"Host login\n  HostName 127.0.0.1\n  Port {server.port}\n")
        yield server


def test_a_code_that_is_wrong_is_told(
    client: Client, asking: AskingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_client, "_ask", lambda words, shown: "wrong")
    with pytest.raises(hb.AccessDenied, match="does not take that password or code"):
        client.site().specs()


def test_a_code_is_asked_for_once(
    client: Client, asking: AskingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of keyboard-interactive; the connection is then there for the commands that come."""
    with pytest.raises(hb.AccessDenied, match="nobody can be asked"):
        client.site().specs()
    asked: list[tuple[str, bool]] = []

    def ask(words: str, shown: bool) -> str:
        asked.append((words, shown))
        return "wrong" if len(asked) == 1 else asking.code

    monkeypatch.setattr(keeper_client, "_ask", ask)
    client.site().specs()
    monkeypatch.undo()
    client.enter(monkeypatch)
    client.site().specs()
    assert len(asked) == 2
    assert all("code" in words and not shown for words, shown in asked)


@pytest.fixture
def password(host: Host) -> Iterator[str]:
    """Of the user who logs in, for as long as the test takes."""
    if os.getuid() != 0:
        pytest.skip("only root gives another user a password")
    with held(f"{tempfile.gettempdir()}/hpcbatch-tests-password.lock", 120.0):  # it has one
        told = subprocess.run(["getent", "shadow", host.user], capture_output=True, text=True)
        before, word = told.stdout.split(":")[1], secrets.token_urlsafe(12)
        subprocess.run(["chpasswd"], input=f"{host.user}:{word}", text=True, check=True)
        yield word
        subprocess.run(["usermod", "-p", before, host.user], check=True)


@pytest.mark.parametrize("way", ["Password", "KbdInteractive"])
def test_a_password_is_asked_for_once(
    client: Client, host: Host, password: str, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """sshd itself asks for it, or PAM through keyboard-interactive."""
    sshd = Sshd(host.folder / way, host, first=["UsePAM yes", f"{way}Authentication yes"])
    try:
        client.knows(sshd)
        client.configure(sshd.config("login", "IdentitiesOnly yes").replace("client", "nothing"))
        asked: list[str] = []

        def ask(words: str, shown: bool) -> str:
            assert not shown
            asked.append(words)
            return "wrong" if len(asked) == 1 else password

        monkeypatch.setattr(keeper_client, "_ask", ask)
        client.site().specs()
        monkeypatch.undo()
        client.enter(monkeypatch)
        client.site().specs()
        assert len(asked) == 2
    finally:
        sshd.stop()


def test_a_key_that_an_agent_holds(
    client: Client, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.knows(sshd)
    client.configure(sshd.config("login").replace(f"{sshd.folder}/client", "/nowhere"))
    with pytest.raises(hb.AccessDenied):
        client.site().specs()
    socket = client.sockets / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE) as agent:
        try:
            eventually(socket.exists, "the agent to listen")
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
            subprocess.run(["ssh-add", "-q", str(sshd.folder / "client")], check=True)
            assert client.site().specs() is not None
        finally:
            agent.terminate()


def test_what_a_login_shell_prints_does_no_harm(client: Client, sshd: Sshd, host: Host) -> None:
    client.knows(sshd)
    client.configure(sshd.config("login"))
    host.write_entrance(
        "printf 'Welcome\\nq\\001\\000\\000\\000x {\"error\": 1}\\n'", "echo hm >&2"
    )
    try:
        assert client.site().specs() is not None
    finally:
        host.write_entrance()


def test_a_node_without_this_version_is_told(client: Client, sshd: Sshd, host: Host) -> None:
    client.knows(sshd)
    client.configure(sshd.config("login"))
    older = host.enter.with_name(remote_paths.entrance(f"0.0.9-py{PYTHON}"))
    host.enter.rename(older)
    try:
        with pytest.raises(hb.SiteNotReady, match="hpcbatch remote setup"):
            client.site().specs()
        argv = [sys.executable, "-m", "hpcbatch", "remote", "check", "ssh://login", "--json"]
        told = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert told.returncode == 6, told.stderr
        found = json.loads(told.stdout)
        assert [each["state"] for each in found] == ["fine", "wrong"]
        assert "older" in found[1]["told"]
    finally:
        older.rename(host.enter)


def test_nothing_of_a_request_is_on_a_command_line(client: Client, sshd: Sshd, host: Host) -> None:
    """Everybody on a login node can read those."""
    client.knows(sshd)
    client.configure(sshd.config("login"))
    client.site()  # whose connection is closed at the end
    gate = host.home / "gate-cmdline"
    os.mkfifo(gate)
    gate.chmod(0o666)
    host.write_entrance(f"read line <'{gate}'")
    try:
        waiting = subprocess.Popen(
            [sys.executable, "-m", "hpcbatch", "list", "--site", f"ssh://login{host.home}/sec-ret"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        with gate.open("w") as file:  # which waits until the command there reads
            seen = commands(host)
            host.write_entrance()
            file.write("go\n")
        assert remote_paths.entrance() in seen
        said = waiting.communicate(timeout=60)[1]
        assert waiting.returncode == 0, said
        assert "sec-ret" not in seen
        assert not (host.home / "sec-ret").exists(), "who looks makes nothing"
    finally:
        waiting.kill()
        waiting.communicate()
        host.write_entrance()
    assert client.sockets.stat().st_mode & 0o777 == 0o700
    for path in client.sockets.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def commands(host: Host) -> str:
    """The command lines of the user who logs in."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"HPCBATCH_LOCAL_SPOOL=" + bytes(host.folder) in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return "\n".join(found)
