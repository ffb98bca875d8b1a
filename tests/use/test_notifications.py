"""Whoever asked for it is told of a task's end, once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.use import notify as notify_module
from hpcbatch.use import service
from tests.local import Local


def job(k: int) -> float:
    return 1 / k


def told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_command_gets_the_status_as_json_once(local: Local) -> None:
    log = local.folder / "told it's"
    task = local.create(job, range(3))
    local.run(task, notify=f'cat >>"{log}"; echo >>"{log}"')
    local.wait(task)
    service.track(task.site.registry, task.id)
    (status,) = told(log)
    assert status["id"] == task.id
    assert status["resolved"]
    assert (status["counts"]["done"], status["counts"]["error"]) == (2, 1)
    task.resubmit()
    local.wait(task)
    assert len(told(log)) == 2
    task.resubmit(notify="true")
    local.wait(task)
    assert len(told(log)) == 2


def test_status_alone_tells_nobody(local: Local) -> None:
    log = local.folder / "told"
    task = local.create(job, range(1, 3))
    task.submit("local", notify=f"cat >>{log}")
    while not task.status().resolved:
        pass
    assert not log.exists()
    local.wait(task)
    assert len(told(log)) == 1


def test_two_trackers_tell_once(local: Local) -> None:
    log = local.folder / "told"
    task = local.create(job, range(1, 3))
    task.submit("local", notify=f"cat >>{log}; echo >>{log}")
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: local.wait(hb.restore(task.id)), range(4)))
    assert len(told(log)) == 1


def test_a_command_runs_in_the_folder_of_the_task(
    local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, other = tmp_path / "made", tmp_path / "other"
    made.mkdir()
    other.mkdir()
    monkeypatch.chdir(made)
    task = local.create(job, range(3))
    monkeypatch.chdir(other)
    assert local.run(task, notify="cat >told").notes == ()
    assert json.loads((made / "told").read_text())["id"] == task.id
    made.rename(tmp_path / "away")
    monkeypatch.setenv("HOME", str(tmp_path))
    task.resubmit(only=["error"], notify="pwd >told")
    assert local.wait(task).notes == ()
    assert (tmp_path / "told").read_text().strip() == str(tmp_path)


def test_after_the_last_retry_only(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpcbatch.use.retry.PAUSE", 0.0)
    log = local.folder / "told"

    def dies(k: int) -> None:
        import os

        os._exit(1)

    task = local.create(dies, range(1))
    local.run(task, retries=2, notify=f"cat >>{log}; echo >>{log}")
    (status,) = told(log)
    assert (status["attempts"], status["retrying"]) == (3, 0)
    assert status["reasons"] == {"exit-code 1": 1}


class Posts:
    """A server on loopback that keeps what is posted to it."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.types: list[str | None] = []
        self.status = 200
        posts = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                posts.bodies.append(json.loads(self.rfile.read(size)))
                posts.types.append(self.headers["Content-Type"])
                self.send_response(posts.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?x=1"


@pytest.fixture
def posts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Posts]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Posts()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()


def test_a_url_gets_it_by_post_once(local: Local, posts: Posts) -> None:
    task = local.create(job, range(1, 4))
    status = local.run(task, notify=posts.url)
    local.wait(task)
    (body,) = posts.bodies
    assert body == {**json.loads(json.dumps(status.to_json())), "notes": []}
    assert posts.types == ["application/json"]


def test_a_server_that_refuses_is_a_note(local: Local, posts: Posts) -> None:
    posts.status = 500
    task = local.create(job, range(1, 3))
    status = local.run(task, notify=posts.url)
    assert status.done == 2
    assert "the notification failed" in status.notes[-1]
    assert "500" in status.notes[-1]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("echo no way >&2; exit 3", "status 3: no way"),
        ("no-such-program-anywhere", "no-such-program-anywhere"),
        ("http://127.0.0.1:1/", "refused"),
        ("http://127.0.0.1:1/a b\n", "control characters"),
        ("http://", "no host given"),
        ("http://[::1/", "Invalid IPv6"),
        ("sleep 600", "did not answer within"),
        ("nul \0 character", "null byte"),
    ],
    ids=range(8),
)
def test_one_that_fails_is_a_note(
    local: Local, monkeypatch: pytest.MonkeyPatch, target: str, said: str
) -> None:
    monkeypatch.setattr(notify_module, "SECONDS", 0.5)
    task = local.create(job, range(1, 2))
    status = local.run(task, notify=target)
    assert status.done == 1
    assert "the notification failed" in status.notes[-1]
    assert said in status.notes[-1]
    assert local.wait(task).notes == task.status().notes == status.notes


@pytest.mark.parametrize("target", ["", "  ", 3, ["echo"]])
def test_what_is_neither_command_nor_url(target: Any) -> None:
    task = hb.create(abs, range(1))
    with pytest.raises(hb.UsageError, match="notify"):
        task.submit("local", notify=target)
