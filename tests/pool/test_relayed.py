"""Connections of workers, and of others, as the relay on a login node takes them."""

from __future__ import annotations

import contextlib
import io
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import hpcbatch as hb
from hpcbatch.pool.import_paths import own_import_paths
from hpcbatch.pool.relay import connections
from hpcbatch.pool.relay.connections import MOST, Connections
from hpcbatch.pool.relay.pipe import MADE, NUMBER, OVER, SAID, Pipe
from hpcbatch.use.code import loaded_code
from tests.core import eventually

WORKER = b"\xff\0\0\0\0\0\0\0\1\x7f\3"  # how ZeroMQ begins


class Relay:
    """What a login node takes, and what it tells of it."""

    def __init__(self, ends: contextlib.ExitStack, most: int = MOST):
        self.told: list[tuple[bytes, int, bytes]] = []
        self._ends = ends
        self._door = socket.create_server(("", 0))
        self._port = self._door.getsockname()[1]
        passed = Connections(Pipe(self._tell), [self._door], most=most)
        passed.start()
        ends.callback(passed.close)

    def _tell(self, kind: bytes, payload: bytes) -> None:
        (number,) = NUMBER.unpack_from(payload)
        self.told.append((kind, number, payload[NUMBER.size :]))

    def dial(self, said: bytes = b"", own: str = "127.0.0.1") -> socket.socket:
        one = socket.create_connection(("127.0.0.1", self._port), 30, source_address=(own, 0))
        self._ends.callback(one.close)
        one.sendall(said)
        return one

    def said(self, number: int) -> bytes:
        return b"".join(content for kind, n, content in self.told if (kind, n) == (SAID, number))


@pytest.fixture
def relay() -> Iterator[Relay]:
    with contextlib.ExitStack() as ends:
        yield Relay(ends)


def is_put_off(one: socket.socket) -> bool:
    try:
        return one.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 20, b"\x16\x03\x01"])
def test_who_is_no_worker_is_put_off_unheard(relay: Relay, said: bytes) -> None:
    assert is_put_off(relay.dial(said))
    relay.dial(WORKER)
    eventually(lambda: relay.told, "a worker to be told of")
    assert [kind for kind, _, _ in relay.told] == [MADE, SAID]


def test_words_that_come_in_pieces(relay: Relay) -> None:
    worker = relay.dial()
    worker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in WORKER:
        worker.sendall(bytes([byte]))
    eventually(lambda: relay.said(1) == WORKER, "all to be passed on")
    worker.close()
    eventually(lambda: relay.told[-1][0] == OVER, "its end to be told")


def test_strangers_leave_for_who_comes_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as ends:
        check_that_strangers_leave(Relay(ends, most=4), monkeypatch)


def check_that_strangers_leave(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    known = relay.dial(WORKER)
    eventually(lambda: relay.said(1), "a worker to be known")
    monkeypatch.setattr(connections, "STRANGE", 0.0)
    strangers = [relay.dial(own="127.0.0.2") for _ in range(9)]
    relay.dial(WORKER, own="127.0.0.3")
    eventually(lambda: relay.said(11), "another worker to be known")
    assert all(map(is_put_off, strangers[:7]))
    known.sendall(b"still here")
    eventually(lambda: relay.said(1).endswith(b"still here"), "the first to be heard")


def test_a_controller_has_few_connections() -> None:
    """However many strangers come to its relay."""
    told: list[tuple[bytes, int]] = []

    def tell(kind: bytes, payload: bytes) -> None:
        told.append((kind, *NUMBER.unpack_from(payload)))

    with socket.create_server(("127.0.0.1", 0)) as own, contextlib.ExitStack() as ends:
        place = own.getsockname()
        passed = Connections(Pipe(tell), dial=lambda: socket.create_connection(place), most=2)
        passed.start()
        ends.callback(passed.close)
        for number in (1, 2, 3, 4):
            passed.take(MADE, NUMBER.pack(number))
        eventually(lambda: told == [(OVER, 1), (OVER, 2)], "the first to leave")


def test_modules_of_other_folders_go_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere_here.py").write_text("import beside_it, dataclasses\n")
    (tmp_path / "dataclasses.py").write_text("# has the name of an installed one\n")
    (tmp_path / "beside_it.py").write_text("X = 5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("elsewhere_here")
    archive = loaded_code(own_import_paths()).archive
    assert archive is not None
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        names = set(file.namelist())
    assert {"elsewhere_here.py", "beside_it.py", "dataclasses.py"} <= names


def test_away_without_a_site() -> None:
    with pytest.raises(hb.UsageError, match="goes with site"):
        hb.Controller("local", 1, away=5)
