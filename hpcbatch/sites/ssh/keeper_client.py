"""A command's way to the host of a site: through the keeper of its connection, which is started
where there is none. Nothing here loads fabric."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ...words.errors import SiteError, SiteUnreachable, UsageError
from ...words.text import plain
from ..wire import error_from
from . import frames
from .frames import Messages
from .private_folders import socket_of

KEEP = 600.0  # seconds that a connection is kept which nobody uses
SPARES = 2  # started before they are asked for: a command of ours often is a look-up and a verb
STARTS_WITHIN = 20.0
PASSED = ("SSH_AUTH_SOCK", "PATH")  # to the keeper: agents come and go, and so do their sockets


_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Stream:
    """A command that runs there: what it reads, and what it writes."""

    def __init__(self, client: socket.socket, messages: Messages, counts: Counter[str]):
        self._client, self._messages, self._counts = client, messages, counts
        self.complaint = ""
        self.status: int | None = None

    def send(self, content: bytes) -> None:
        """Raises SiteUnreachable."""
        try:
            self._client.sendall(content)
        except OSError as error:
            raise SiteUnreachable(f"the connection was lost: {error.strerror}") from error
        self._counts["sent"] += len(content)

    def end(self) -> None:
        """Nothing more is sent."""
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_WR)

    def read(self, size: int) -> bytes:
        """Some bytes of its output; none at its end, when ``complaint`` and ``status`` are known:
        the status is None where the connection was lost."""
        while self.status is None:
            try:
                kind, payload = self._messages.next()
            except (OSError, EOFError):
                return b""
            if kind == frames.OUTPUT:
                self._counts["received"] += len(payload)
                return payload
            if kind == frames.COMPLAINT:
                self.complaint = payload.decode("utf-8", "replace")
            elif kind == frames.EXIT:
                status = int(json.loads(payload))
                if status < 0:  # lost, or ended by a signal
                    return b""
                self.status = status
            elif kind == frames.ERROR:
                raise error_from(json.loads(payload))
        return b""


class _KeeperEnded(SiteUnreachable):
    """Before it has run anything."""


class Line:
    """To the host ``login``. ``counts`` tells commands and bytes."""

    def __init__(self, login: str):
        self.login = login
        self.counts: Counter[str] = Counter()

    @contextlib.contextmanager
    def run(self, command: str) -> Iterator[Stream]:
        """Raises SiteUnreachable, ServerUnknown, ServerChanged, AccessDenied."""
        for tries_left in (2, 1, 0):
            with self._client() as client:
                try:
                    messages = self._asked(client, {"do": "run", "command": command})
                except _KeeperEnded:
                    if tries_left:
                        continue  # it ended by itself as we came; another one is started
                    raise
                self.counts["commands"] += 1
                yield Stream(client, messages, self.counts)
                return

    def forward(self, host: str, port: int) -> str:
        """The path of a socket that leads to a port which the login node reaches."""
        with self._client() as client:
            answer = self._answer(client, {"do": "forward", "host": host, "port": port})
        return str(answer["socket"])

    def close(self) -> bool:
        """End the keeper; whether there was one."""
        client = socket.socket(socket.AF_UNIX)
        with client:
            try:
                client.connect(socket_of(self.login))
                self._answer(client, {"do": "end"})
            except (OSError, EOFError):
                return False
        return True

    def _answer(self, client: socket.socket, asked: dict[str, Any]) -> Any:
        client.sendall(frames.told(frames.REQUEST, asked))
        kind, payload = Messages(client.recv).next()
        if kind == frames.ERROR:
            raise error_from(json.loads(payload))
        return json.loads(payload)

    def _asked(self, client: socket.socket, asked: dict[str, Any]) -> Messages:
        """Send a request, and answer what a person must be asked until it is open."""
        env = {name: os.environ[name] for name in PASSED if name in os.environ}
        messages = Messages(client.recv)
        try:
            client.sendall(frames.told(frames.REQUEST, {**asked, "env": env}))
            while True:
                kind, payload = messages.next()
                if kind == frames.OPEN:
                    return messages
                if kind == frames.ERROR:
                    raise error_from(json.loads(payload))
                client.sendall(frames.told(frames.REPLY, _ask(**json.loads(payload))))
        except (OSError, EOFError) as error:
            raise _KeeperEnded(f"what keeps the connection to {self.login} ended") from error

    @contextlib.contextmanager
    def _client(self) -> Iterator[socket.socket]:
        path = socket_of(self.login)
        give_up = time.monotonic() + STARTS_WITHIN
        with socket.socket(socket.AF_UNIX) as client:
            while True:
                try:
                    client.connect(path)
                    break
                except OSError as error:
                    if time.monotonic() > give_up:
                        raise SiteError(
                            f"what keeps the connection to {self.login} does not answer: {error} "
                            f"(its log is {path}.log). Close it (hpcbatch remote close), and try "
                            f"again; if none is found, end the process that has {path}.lock open"
                        ) from error
                    _start_keeper(self.login, path)
                    time.sleep(0.02)
            yield client


def _from_environment(name: str, kind: type[float], usual: float) -> float:
    """Of the environment. Raises UsageError."""
    text = os.environ.get(name)
    try:
        return kind(text) if text else usual
    except ValueError:
        raise UsageError(f"{name}={text!r} is no number: set it to one, or unset it") from None


def _start_keeper(login: str, path: str) -> None:
    """It stays behind for commands that come later. Where two are started, one gives way."""
    places = (os.environ.get("PYTHONPATH"), os.path.dirname(os.path.dirname(_PACKAGE)))
    order = {
        "login": login,
        "socket": path,
        "keep": _from_environment("HPCBATCH_SSH_KEEP", float, KEEP),
        "spares": _from_environment("HPCBATCH_SSH_SPARES", int, SPARES),
    }
    log = os.open(f"{path}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.keeper"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))},
            cwd="/",
        )
    finally:
        os.close(log)
    process.communicate(json.dumps(order).encode())
    if process.returncode:
        with open(f"{path}.log", encoding="utf-8", errors="replace") as file:
            told = file.read().strip().splitlines()[-1:]
        raise SiteError(f"what keeps connections did not start: {''.join(told)} ({path}.log)")


def _ask(words: str, shown: bool) -> str | None:
    """What a person answers; None where there is none to ask."""
    if not sys.stdin.isatty():
        return None
    words = "\n".join(map(plain, words.split("\n")))  # a server that nobody knows may write them
    if not shown:
        return getpass.getpass(words)
    sys.stderr.write(words)
    sys.stderr.flush()
    return sys.stdin.readline().rstrip("\n")
