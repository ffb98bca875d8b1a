"""Who gets in without a token: nobody, unless the settings and the place of the server say so."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.registry.registry import Registry
from hpcbatch.server.app import make_app
from hpcbatch.server.listening import listening
from hpcbatch.server.serve import serve
from hpcbatch.server.settings import ServerOptions, ServerSettings
from hpcbatch.server.site import ServedSite
from hpcbatch.server.users import ANONYMOUS
from hpcbatch.sites.connect import connect
from hpcbatch.sites.rest.client import Client

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks for a successor of httpx
    from starlette.testclient import TestClient

from .conftest import Server
from .serving import served_site


@contextlib.contextmanager
def client(root: Path, **options: Any) -> Iterator[TestClient]:
    site = served_site(root, ServerSettings(options=ServerOptions(**options)))
    with TestClient(make_app(site), base_url="https://127.0.0.1") as client:
        yield client
    site.releaser.end()


def answers(client: TestClient) -> dict[str, int]:
    asked = {
        "task": client.post("/task/list", json={}),
        "validate": client.post("/validate/shutdown", headers={"Authorization": "Bearer x"}),
        "info": client.get("/info/tasks"),
    }
    return {module: answer.status_code for module, answer in asked.items()}


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module of the server's owner."""
    name = f"rules_{os.path.basename(tmp_path)}"
    (tmp_path / f"{name}.py").write_text(
        """
import hpcbatch as hb

def asked(user, task, options):
    if options["resources"].get("queue") == "secret":
        raise hb.UsageError(f"{user['name']} may not use that queue")
    if options["resources"].get("queue") == "odd":
        return 1 / 0
    return {**options, "throttle": 2}

def told():
    return {"site": "lab"}
"""
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    sys.modules.pop(name, None)


def test_a_module_is_open_where_two_settings_say_so(tmp_path: Path) -> None:
    with client(tmp_path / "a", modules_require_auth=("task", "validate")) as closed:
        assert answers(closed) == {"task": 401, "validate": 401, "info": 401}
        assert "anonymous_request" in closed.get("/info/tasks").json()["message"]
    opened = {"modules_require_auth": ("task",), "anonymous_request": True}
    with client(tmp_path / "b", **opened) as half:
        assert answers(half) == {"task": 401, "validate": 401, "info": 200}
        assert half.post("/validate/shutdown").json()["message"] == "only admins end the server"


def test_anonymous_sees_what_is_anonymous(tmp_path: Path) -> None:
    hb.create(abs, [1], name="Local", root=str(tmp_path))
    with client(tmp_path, modules_require_auth=(), anonymous_request=True) as opened:
        assert opened.get("/info/tasks").json() == {"tasks": []}
        assert not ANONYMOUS.admin


def test_without_authentication_everybody_is_the_owner(tmp_path: Path) -> None:
    task = hb.create(abs, [1], name="Local", root=str(tmp_path))
    with client(tmp_path, require_auth=False) as opened:
        [told] = opened.get("/info/tasks").json()["tasks"]
        assert told["id"] == task.id
        other = {"Origin": "https://evil.example"}
        assert opened.post("/task/list", json={}, headers=other).status_code == 403


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (ServerSettings(options=ServerOptions(require_auth=False)), "--i-am-alone"),
        (ServerSettings(protocol="http"), "--insecure-http"),
        (
            ServerSettings(
                options=ServerOptions(anonymous_request=True, modules_require_auth=("info",))
            ),
            "anonymous_request for tasks",
        ),
        (ServerSettings(protocol="http", host="0.0.0.0"), "--insecure-http"),
        (ServerSettings(batch_cluster="locl"), "'local'"),
    ],
)
def test_what_cannot_be_served_is_refused(
    tmp_path: Path, settings: ServerSettings, told: str
) -> None:
    with pytest.raises(hb.ConfigError, match=told):
        serve(Registry(str(tmp_path)), settings)


def test_functions_of_the_owner_are_asked(tmp_path: Path, rules: str) -> None:
    functions = {
        "func_newjob": f"{rules}:asked",
        "func_validate_server": f"{rules}:told",
        "require_auth": False,
    }
    root = tmp_path / "root"
    task = hb.create(abs, [1], root=str(root))

    def submit(opened: TestClient, queue: str) -> Any:
        order = {"cluster": "local", "resources": {"queue": queue}}
        asked = {"id": task.id, "request": "0" * 32, "options": order}
        return opened.post("/task/submit", json=asked)

    with client(root, **functions) as opened:
        site: ServedSite = opened.app.state.site
        site.releaser.end()
        assert opened.post("/validate/ping").json()["site"] == "lab"
        refused = submit(opened, "secret")
        assert refused.status_code == 400
        assert refused.json()["message"] == "local may not use that queue"
        broken = submit(opened, "odd")
        assert broken.status_code == 500
        assert "func_newjob of this server failed" in broken.json()["message"]
        assert submit(opened, "usual").status_code == 200
        [entry] = site.queue.waiting()
        assert entry.order["options"]["throttle"] == 2


@pytest.mark.parametrize("name", ["no.such.module:x", "os:nothing", "os:sep"])
def test_a_function_that_is_none_ends_the_start(tmp_path: Path, name: str) -> None:
    options = ServerOptions(func_newjob=name)
    with pytest.raises(hb.ConfigError, match="func_newjob"):
        ServedSite(Registry(str(tmp_path)), ServerSettings(options=options))


def test_a_port_that_is_taken_is_told_with_who_has_it(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        thread = threading.Thread(target=lambda: other.accept()[0].close())
        thread.start()
        settings = ServerSettings(protocol="http", port=other.getsockname()[1])
        with pytest.raises(hb.ConfigError, match="something else listens there"):
            listening(settings, str(tmp_path)).__enter__()
        thread.join()


def test_a_proxy_gets_no_token(dead_proxy: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as client:
                client.recv(1 << 16)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        threading.Thread(target=answer, daemon=True).start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert Client(address, "", None).ask("/task/list") == {}


@pytest.mark.slow
def test_a_socket_of_ones_own_needs_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = tempfile.mkdtemp(prefix="spool-")  # paths of sockets have 107 characters
    monkeypatch.setenv("HPCBATCH_LOCAL_SPOOL", short)
    server = Server(tmp_path / "served")
    settings = tmp_path / "settings.yaml"
    settings.write_text("protocol: unix\noptions: {require_auth: false}")
    address = server.start("--settings", str(settings))["address"]
    try:
        path = address.removeprefix("unix:")
        assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
        task = hb.create(abs, [-1], site=server.site())
        task.submit("local")
        task.wait(60, progress=False)
        assert task.collect() == [1]
        assert connect(address, str(server.root)).spec(task.id).njobs == 1
    finally:
        server.stop()
    assert not os.path.exists(path)
    shutil.rmtree(short)
