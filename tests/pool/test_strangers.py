"""Who does not hold the pool's key gets nowhere, and what a peer says cannot end the pool."""

from __future__ import annotations

import json
import os
import pickle
import random
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

import hpcbatch as hb
from hpcbatch.words.version import VERSION
from hpcbatch.worker import wire
from tests.core import eventually


def square(x: int) -> int:
    return x * x


@pytest.fixture
def pool(make_pool: Callable[..., hb.Controller]) -> hb.Controller:
    pool = make_pool(workers=1)
    assert pool.submit(square, 2).result(60) == 4
    return pool


@pytest.fixture
def door(pool: hb.Controller) -> dict[str, Any]:
    path = pool._running.layout.door
    assert os.stat(path).st_mode & 0o777 == 0o600
    with open(path) as file:
        return dict(json.load(file))


@pytest.fixture
def dial(door: dict[str, Any]) -> Iterator[Callable[..., Any]]:
    context = zmq.Context()
    made = []

    def dial(*, server: str = "", public: str = "", secret: str = "", plain: bool = False) -> Any:
        dialed = context.socket(zmq.DEALER)
        dialed.linger = 0
        if not plain:
            dialed.curve_serverkey = (server or door["server_key"]).encode()
            dialed.curve_publickey = (public or door["client_key"]).encode()
            dialed.curve_secretkey = (secret or door["client_secret"]).encode()
        dialed.connect(door["addresses"][0])
        made.append(dialed)
        return dialed

    yield dial
    for dialed in made:
        dialed.close()
    context.term()


def a_hello(**more: Any) -> bytes:
    python = "{}.{}.{}".format(*__import__("sys").version_info[:3])
    told = {"worker": "w", "host": "h", "pid": 1, "python": python, "version": VERSION}
    return wire.HELLO + json.dumps({**told, **more}).encode()


def test_a_stranger_without_the_key_is_not_let_in(
    pool: hb.Controller, dial: Callable[..., Any], told: Callable[[], str]
) -> None:
    public, secret = (key.decode() for key in zmq.curve_keypair())
    dial(public=public, secret=secret).send(a_hello())
    eventually(lambda: "does not hold the pool's key" in told())
    other, _ = (key.decode() for key in zmq.curve_keypair())
    dial(server=other).send(a_hello())
    dial(plain=True).send(a_hello())
    eventually(lambda: "does not speak as a worker does" in told())
    assert pool.submit(square, 3).result(60) == 9
    assert len(pool.summary()) == 1


def test_bytes_that_are_no_zeromq_are_ignored(pool: hb.Controller, door: dict[str, Any]) -> None:
    host, _, port = door["addresses"][0].removeprefix("tcp://").rpartition(":")
    for content in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, random.Random(1).randbytes(10_000)):
        with socket.create_connection((host, int(port))) as stranger:
            stranger.sendall(content)
    assert pool.submit(square, 3).result(60) == 9


def test_garbage_of_a_peer_is_ignored(
    pool: hb.Controller, dial: Callable[..., Any], told: Callable[[], str]
) -> None:
    dialed, rng = dial(), random.Random(2)
    dialed.send(b"")
    dialed.send(wire.HELLO + b"{not json")
    dialed.send(wire.HELLO + b"[]")
    for _ in range(50):
        dialed.send(rng.randbytes(rng.randrange(200)))
    dialed.send(wire.RESULTS + pickle.dumps([(1, 0, "not mine", 0.0, ())]))
    eventually(lambda: "was ignored" in told() and "was dropped" in told())
    assert pool.submit(square, 3).result(60) == 9


def test_a_worker_that_talks_garbage_goes(
    pool: hb.Controller, dial: Callable[..., Any], told: Callable[[], str]
) -> None:
    dialed = dial()
    dialed.send(a_hello())
    assert dialed.recv()[:1] == wire.WELCOME
    dialed.send(wire.RESULTS + b"no pickle")
    kinds = set()
    while wire.BYE not in kinds:
        assert dialed.poll(30_000)
        kinds.add(dialed.recv()[:1])
    eventually(lambda: len(pool.summary()) == 1)
    assert pool.submit(square, 3).result(60) == 9


def test_another_python_is_refused_with_the_reason(
    pool: hb.Controller, dial: Callable[..., Any]
) -> None:
    for more, reason in (({"python": "2.7.18"}, "Python 2.7"), ({"version": "0.0.1"}, "0.0.1")):
        dialed = dial()
        dialed.send(a_hello(**more))
        answer = dialed.recv()
        assert answer[:1] == wire.REFUSED
        assert reason in json.loads(answer[1:])
    assert len(pool.summary()) == 1


def test_a_turn_that_is_interrupted_is_made_again(
    pool: hb.Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = pool._running.broker
    send = broker._send_tasks

    def interrupted(batch: Any) -> None:
        monkeypatch.setattr(broker, "_send_tasks", send)
        raise KeyboardInterrupt

    running = pool.submit(pow, 5, 2)
    eventually(lambda: broker._has_idle)
    monkeypatch.setattr(broker, "_send_tasks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pool.push(square, 5)
    assert pool.submit(square, 6).result(60) == 36
    assert running.result(60) == 25
    assert pool.collect() == []
