"""Requests that go no further than the guard: of strangers, of other pages, large and slow ones."""

from __future__ import annotations

import asyncio
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

from hpcbatch.server import connection_limit, listening, slow_clients
from hpcbatch.server.guard import own_names
from hpcbatch.server.identity import Identity
from hpcbatch.server.settings import ServerSettings
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
    assert "login.lab.edu" in own_names(ServerSettings(names=("Login.Lab.edu",)))


def test_the_document_of_routes_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    with client(tmp_path) as opened:
        text = opened.get("/docs").text
        assert "//" not in text
        assert opened.get("/assets/docs.js").status_code == 200
        assert opened.get("/redoc").status_code == 404


@contextlib.contextmanager
def served(app: Any, door: Any = None, **more: Any) -> Iterator[int]:
    protocol: Any = partial(slow_clients.ImpatientProtocol, door=door)
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
    monkeypatch.setattr(slow_clients, "ASKS_WITHIN", 0.2)
    with served(hello) as port, socket.create_connection(("127.0.0.1", port), 30) as slow:
        slow.sendall(said)
        with contextlib.suppress(ConnectionResetError):
            while slow.recv(1000):
                pass


def test_who_asks_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(hello) as port, socket.create_connection(("127.0.0.1", port), 30) as quick:
        for _ in range(2):
            quick.sendall(ASKED)
            assert is_answered(quick)


@contextlib.contextmanager
def with_places(
    monkeypatch: pytest.MonkeyPatch, places: int, app: Any = hello, **more: Any
) -> Iterator[Any]:
    """A function that connects to a server which has so many, and knows who asks for /known."""

    async def knowing(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/known":
            listener.socket.known(tuple(scope["client"]), scope["query_string"].decode())
        await app(scope, receive, send)

    monkeypatch.setattr(listening, "room", lambda: places)
    with (
        listening.listening(ServerSettings(host="", port=0), "/r") as listener,
        served(knowing, listener.socket, **more),
        contextlib.ExitStack() as ends_of,
    ):
        port = listener.socket.getsockname()[1]

        def connected(said: bytes = b"", own: str = "127.0.0.1") -> socket.socket:
            one = socket.create_connection(("127.0.0.1", port), 30, source_address=(own, 0))
            ends_of.callback(one.close)
            one.sendall(said)
            return one

        yield connected


ASKED = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
KNOWN = ASKED.replace(b"/ ", b"/known ")
BEGUN = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"


def test_who_has_most_leaves_where_all_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with with_places(monkeypatch, 4) as connected:
        admin = connected(KNOWN.replace(b"known", b"known?admin"))
        assert is_answered(admin)
        others = []
        for _ in range(12):
            others.append(connected(KNOWN.replace(b"known", b"known?greedy")))
            assert is_answered(others[-1])
        newcomer = connected(ASKED)
        assert is_answered(newcomer)
        assert all(map(left, others[:-2]))
        admin.sendall(ASKED)
        assert is_answered(admin)


@pytest.mark.parametrize("said", [b"", BEGUN, ASKED])
def test_strangers_leave_for_who_comes_next(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    """Also who does not even say how to encrypt, or sends on for ever."""
    with with_places(monkeypatch, 8) as connected:
        known = connected(KNOWN)
        assert is_answered(known)
        silent = [connected(said) for _ in range(20)]
        newcomer = connected(ASKED)
        assert is_answered(newcomer)
        assert all(map(left, silent[:-6])), "there are eight places"
        known.sendall(ASKED)
        assert is_answered(known)


def test_a_crowd_of_one_address_pushes_nobody_else_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with with_places(monkeypatch, 8) as connected:
        newcomer = connected(ASKED, own="127.0.0.2")
        assert is_answered(newcomer)
        crowd_of_one = [connected() for _ in range(40)]
        assert left(crowd_of_one[0])
        newcomer.sendall(ASKED)
        assert is_answered(newcomer)


def test_who_does_not_read_leaves_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although something is being answered there."""

    async def large(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/known":
            await hello(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * (32 << 20)})

    with with_places(monkeypatch, 4, large) as connected:
        for _ in range(20):
            connected(ASKED)
        known = connected()
        for _ in range(3):
            known.sendall(KNOWN)
            assert is_answered(known)
        for _ in range(20):
            connected(ASKED)
        known.sendall(KNOWN)
        assert is_answered(known)


def test_who_leaves_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    with with_places(monkeypatch, 2) as connected:
        for _ in range(10):
            one = connected(KNOWN)
            assert is_answered(one)
            one.close()


def test_a_connection_that_is_no_more_of_http_is_let_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Other(asyncio.Protocol):
        def __init__(self, **more: Any):
            self.transport: Any = None

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(b"HTTP/1.1 101")
            asyncio.get_running_loop().call_later(0.6, self.transport.write, b"HTTP/1.1 204")

    monkeypatch.setattr(slow_clients, "ASKS_WITHIN", 0.2)
    with with_places(monkeypatch, 8, ws=Other) as connected:
        upgraded = connected(KNOWN[:-2] + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert upgraded.recv(1000) == b"HTTP/1.1 101"
        assert is_answered(upgraded)


def test_who_does_not_say_how_to_encrypt_is_put_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(connection_limit, "SHAKES_WITHIN", 0.2)
    own = Identity.at(str(tmp_path / "identity"))
    secured = {"ssl_keyfile": own.key_path, "ssl_certfile": own.certificate_path}
    with (
        listening.listening(ServerSettings(port=0), "/r") as listener,
        served(hello, listener.socket, **secured),
    ):
        place = listener.socket.getsockname()
        with socket.create_connection(place, 30) as silent:
            assert ends(silent)
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        with trusting.wrap_socket(socket.create_connection(place, 30)) as quick:
            quick.sendall(ASKED)
            assert is_answered(quick)


def ends(connection: socket.socket) -> bool:
    with contextlib.suppress(ConnectionResetError):
        return connection.recv(1) == b""
    return True


def left(connection: socket.socket) -> bool:
    """Put off, whatever came before."""
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(1000):
            pass
    return True


def is_answered(connection: socket.socket) -> bool:
    return connection.recv(1000).startswith(b"HTTP/1.1 204")


def test_there_are_more_open_files_than_connections() -> None:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert connection_limit.room() + connection_limit.AT_ONCE + connection_limit.OWN_FILES <= files


@pytest.mark.parametrize(("files", "places"), [(20_000, 2000), (1024, 256), (400, 100)])
def test_few_files_are_few_places(monkeypatch: pytest.MonkeyPatch, files: int, places: int) -> None:
    monkeypatch.setattr(connection_limit, "allow_open_files", lambda wanted: files)
    assert connection_limit.room() == places
