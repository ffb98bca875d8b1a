"""Requests that go no further than the guard: of strangers, of other pages, large and slow ones."""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from hpcbatch.server import crowd, listening, prompt
from hpcbatch.server.guard import own_names
from hpcbatch.server.identity import Identity
from hpcbatch.server.settings import Settings
from tests.core import eventually

from .test_doors import client


def test_what_a_stranger_sends_is_not_read(tmp_path: Path) -> None:
    with client(tmp_path) as closed:
        for path in ("/task/new", "/task/resubmit", "/task/upload", "/nowhere"):
            answer = closed.post(path, content=b"x" * 100_000)
            assert answer.status_code == 401, path


JSON = {"Content-Type": "application/json"}


def test_what_is_not_there_is_told_as_other_errors_are(tmp_path: Path) -> None:
    with client(tmp_path, require_auth=False) as opened:
        for answer, status in (
            (opened.post("/task/renew", json={}), 404),
            (opened.get("/task/new"), 405),
            (opened.post("/task/new", content=b"["), 422),
            (opened.post("/task/new", content=b"[" * 50_000, headers=JSON), 400),
        ):
            assert answer.status_code == status
            assert set(answer.json()) == {"error", "message"}


def test_a_request_has_its_limit(tmp_path: Path) -> None:
    with client(tmp_path, require_auth=False) as opened:
        assert opened.post("/task/list", content=b" " * (9 << 20)).status_code == 413
        assert opened.post("/task/resubmit", content=b" " * (9 << 20)).status_code == 422
        assert opened.post("/task/list", content=iter([b"{}"])).status_code == 411


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://127.0.0.1", 200),
        ("https://127.0.0.1:9999", 403),  # on a login node another account's page
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_a_page_of_another_place_is_refused(tmp_path: Path, origin: str, status: int) -> None:
    with client(tmp_path) as opened:
        answer = opened.post("/validate/ping", headers={"Origin": origin})
        assert answer.status_code == status
        assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_other_names_are_set(tmp_path: Path) -> None:
    assert "login.lab.edu" in own_names(Settings(names=("Login.Lab.edu",)))


def test_the_document_of_routes_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    with client(tmp_path) as opened:
        text = opened.get("/docs").text
        assert "//" not in text
        assert opened.get("/assets/docs.js").status_code == 200
        assert opened.get("/redoc").status_code == 404


@contextlib.contextmanager
def served(app: Any, door: Any = None, **more: Any) -> Iterator[int]:
    protocol: Any = partial(prompt.Prompt, door=door)
    config = uvicorn.Config(
        app, port=0, log_level="critical", http=protocol, lifespan="off", loop="asyncio", **more
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=(door and [door],))
    thread.start()
    eventually(lambda: server.started, "the server to start")
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / H"])
def test_who_does_not_ask_is_put_off(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(prompt, "ASKS_WITHIN", 0.2)
    with served(hello) as port, socket.create_connection(("127.0.0.1", port), 30) as slow:
        slow.sendall(said)
        with contextlib.suppress(ConnectionResetError):
            while slow.recv(1000):
                pass


def test_who_asks_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(hello) as port, socket.create_connection(("127.0.0.1", port), 30) as quick:
        for _ in range(2):
            assert is_answered(quick)


def test_who_is_one_too_many_is_put_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all have asked; others are answered later."""
    monkeypatch.setattr(listening, "room", lambda: 1)
    with listening.listening(Settings(port=0), "/r") as listener, served(hello, listener.socket):
        place = listener.socket.getsockname()
        known = []
        for _ in range(2):
            known.append(socket.create_connection(place, 30))
            assert is_answered(known[-1])
        with socket.create_connection(place, 30) as third:
            assert ends(third)
        for one in known:
            one.close()
        eventually(lambda: answers(place), "there to be room")


def test_who_is_silent_leaves_for_who_comes_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also who does not even say how to encrypt; whoever has asked stays."""
    monkeypatch.setattr(listening, "room", lambda: 4)
    with (
        listening.listening(Settings(port=0), "/r") as listener,
        served(hello, listener.socket),
        contextlib.ExitStack() as ends_of,
    ):
        place = listener.socket.getsockname()
        known = ends_of.enter_context(socket.create_connection(place, 30))
        assert is_answered(known)
        silent = [ends_of.enter_context(socket.create_connection(place, 30)) for _ in range(20)]
        assert answers(place)
        assert all(map(ends, silent[:-2])), "its share of eight places is two"
        assert is_answered(known)


def test_who_does_not_say_how_to_encrypt_is_put_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(crowd, "SHAKES_WITHIN", 0.2)
    own = Identity.at(str(tmp_path / "identity"))
    secured = {"ssl_keyfile": own.key_path, "ssl_certfile": own.certificate_path}
    with (
        listening.listening(Settings(port=0), "/r") as listener,
        served(hello, listener.socket, **secured),
    ):
        place = listener.socket.getsockname()
        with socket.create_connection(place, 30) as silent:
            assert ends(silent)
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        with trusting.wrap_socket(socket.create_connection(place, 30)) as quick:
            assert is_answered(quick)


def ends(connection: socket.socket) -> bool:
    with contextlib.suppress(ConnectionResetError):
        return connection.recv(1) == b""
    return True


def answers(place: tuple[str, int]) -> bool:
    with socket.create_connection(place, 30) as one, contextlib.suppress(OSError):
        return is_answered(one)
    return False


def is_answered(connection: socket.socket) -> bool:
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    return connection.recv(1000).startswith(b"HTTP/1.1 204")


def test_there_are_more_open_files_than_connections() -> None:
    assert crowd.FILES * crowd.room() <= resource.getrlimit(resource.RLIMIT_NOFILE)[0]
