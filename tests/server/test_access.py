"""Every route is closed but those of one list, whatever a stranger shows."""

from __future__ import annotations

import ast
import errno
import os
import shutil
import time
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jwt
import pytest

import hpcbatch as hb
from hpcbatch.server.app import make_app
from hpcbatch.server.site import ServedSite
from hpcbatch.sites import uploads
from hpcbatch.sites.keys import GRANT, assertion, load_private, public_pem
from hpcbatch.words.layout import TaskLayout
from hpcbatch.words.server_layout import ServerLayout

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks for a successor of httpx
    from starlette.testclient import TestClient

from .serving import next_key, served_site

WORD = {"request": "0" * 32}
NEEDED: dict[str, dict[str, Any]] = {  # by routes below /task, beside the task's id
    "/task/submit": WORD,
    "/task/resubmit": WORD,
    "/task/new": {"size": 1, "digest": "0" * 64},
    "/task/logs": {"job": 0},
    "/task/element_log": {"attempt": 1, "element": 0},
    "/task/newest_failures": {"limit": 1},
}
OPEN = {("post", "/validate/token"), ("post", "/validate/ping"), ("get", "/info/health")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> ServedSite:
    site = served_site(tmp_path_factory.mktemp("served") / "root")
    site.users.add(public_pem(next_key()), "gone")
    site.users.revoke("gone")
    return site


@pytest.fixture(scope="module")
def client(site: ServedSite) -> Iterator[TestClient]:
    with TestClient(make_app(site), base_url="https://127.0.0.1") as client:
        yield client
    site.releaser.end()


@pytest.fixture(scope="module")
def token(site: ServedSite, client: TestClient) -> str:
    key = load_private(ServerLayout(site.registry.root).local_key, None)
    proof = assertion(key, site.identity.id, time.time())
    given = client.post("/validate/token", data={"grant_type": GRANT, "assertion": proof})
    assert given.status_code == 200
    again = client.post("/validate/token", data={"grant_type": GRANT, "assertion": proof})
    assert again.status_code == 401  # a proof is used once
    return str(given.json()["access_token"])


def routes(client: TestClient) -> list[tuple[str, str]]:
    paths = client.get("/openapi.json").json()["paths"]
    return [(method, path) for path, methods in paths.items() for method in methods]


HERE = Path(make_app.__code__.co_filename).parent
ROUTES = [*sorted(HERE.glob("routes/*.py")), HERE / "dashboard" / "views.py"]


@pytest.mark.parametrize("path", ROUTES, ids=lambda path: path.name)
def test_routes_reach_for_tasks_that_the_caller_may_see(path: Path) -> None:
    """The registry and the tracking, which know all tasks, are asked with the ``spec.id`` that
    ``site.spec(user, …)`` or ``site.specs(user)`` has let through."""
    nodes = list(ast.walk(ast.parse(path.read_bytes())))
    checked: set[ast.AST] = set()
    for call in nodes:
        if isinstance(call, ast.Call) and any("spec.id" in ast.unparse(arg) for arg in call.args):
            checked.update(ast.walk(call))
        if isinstance(call, ast.Assign) and ast.unparse(call.targets[0]) in ("spec", "specs"):
            assert ast.unparse(call.value).startswith(("site.spec(user, ", "site.specs(user)"))
    for node in nodes:
        if isinstance(node, ast.Attribute) and node.attr in ("registry", "tracking"):
            assert node in checked, f"line {node.lineno} reaches for any task: ask site.spec(user)"


def strangers(token: str, site: ServedSite) -> dict[str, str | None]:
    claims = jwt.decode(token, options={"verify_signature": False})
    own, now = site.tokens._secret, time.time()
    gone = site.users.find("gone").id
    return {
        "expired": "Bearer " + jwt.encode({**claims, "exp": now - 1}, own, "HS256"),
        "revoked": "Bearer " + jwt.encode({**claims, "sub": gone}, own, "HS256"),
        "unknown": "Bearer " + jwt.encode({**claims, "sub": "x" * 52}, own, "HS256"),
        "anonymous": "Bearer " + jwt.encode({**claims, "sub": "anonymous"}, own, "HS256"),
        "another kind": "Bearer " + jwt.encode({**claims, "typ": "JWT"}, own, "HS256"),
        "no token": None,
        "no scheme": token,
        "another scheme": f"Basic {token}",
        "nothing": "Bearer ",
        "nonsense": "Bearer nonsense",
        "very long": "Bearer " + "x" * 100_000,
        "alg none": "Bearer " + jwt.encode(claims, None, "none"),
        "forged": "Bearer " + jwt.encode(claims, "0" * 32, "HS256"),
        "cut": f"Bearer {token[:-3]}",
    }


def test_every_route_but_the_open_ones_is_closed(
    client: TestClient, token: str, site: ServedSite
) -> None:
    found = routes(client)
    assert set(found) >= OPEN
    assert len(found) > 12
    print("open:", *sorted(OPEN), sep="\n")
    for method, path in found:
        if (method, path) in OPEN:
            continue
        for who, shown in strangers(token, site).items():
            client.app.state.site.failures._times.clear()
            headers = {} if shown is None else {"Authorization": shown}
            answer = client.request(method, path, headers=headers, json={"id": "x"})
            assert answer.status_code == 401, (method, path, who, answer.text)
            assert answer.json()["message"]


def test_anothers_task_is_not_there_on_any_route(
    client: TestClient, token: str, site: ServedSite
) -> None:
    task = hb.create(abs, [1], root=site.registry.root)
    guest = next_key()
    site.users.add(public_pem(guest), "guest")
    proof = assertion(guest, site.identity.id, time.time())
    told = client.post("/validate/token", data={"grant_type": GRANT, "assertion": proof}).json()
    bearer = {"Authorization": f"Bearer {told['access_token']}"}
    asked, absent = [], f"0123abcd{task.id[8:]}"
    for method, path in routes(client):
        if not path.startswith("/task/") or path in ("/task/list", "/task/preview"):
            continue
        body = {"text": task.id} if path == "/task/find" else {"id": task.id}
        body |= NEEDED.get(path, {})
        where = {"id": task.id, "offset": 0}
        answer = client.request(method, path, headers=bearer, json=body, params=where)
        assert answer.status_code == (409 if path == "/task/new" else 404), (path, answer.text)
        asked.append(path)
        if path != "/task/new":
            where["id"] = absent
            body = {name: absent if told == task.id else told for name, told in body.items()}
            same = client.request(method, path, headers=bearer, json=body, params=where).text
            assert same.replace(absent, task.id) == answer.text, path
    assert len(asked) > 14
    results = client.get("/info/results", headers=bearer, params={"id": task.id})
    assert results.status_code == 404
    assert client.get("/info/tasks", headers=bearer).json() == {"tasks": []}
    task.remove()
    broken = hb.create(abs, [1], root=site.registry.root)
    Path(TaskLayout(site.registry.root, broken.id).spec).write_text("{")
    for module in ("status", "jobs", "remove"):
        answer = client.post(f"/task/{module}", headers=bearer, json={"id": broken.id})
        same = client.post(f"/task/{module}", headers=bearer, json={"id": absent})
        assert same.text.replace(absent, broken.id) == answer.text, "it may be another's"
    keeper = {"Authorization": f"Bearer {token}"}
    answer = client.post("/task/status", headers=keeper, json={"id": broken.id})
    assert answer.json()["error"] == "DamagedFile", "who keeps the registry is told"
    shutil.rmtree(broken.folder)


def test_after_many_failures_only_what_is_right_is_listened_to(
    client: TestClient, token: str, site: ServedSite
) -> None:
    site.failures._times.clear()
    answers = [
        client.post("/task/list", json={}, headers={"Authorization": "Bearer x"}) for _ in range(12)
    ]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 0
    right = client.post("/task/list", json={}, headers={"Authorization": f"Bearer {token}"})
    assert right.status_code == 200


def test_a_full_disk_is_told_and_the_upload_goes_on_later(
    client: TestClient, token: str, site: ServedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    bearer = {"Authorization": f"Bearer {token}"}
    task = {"id": "0123abcd__full", "size": 8, "digest": "0" * 64}
    client.post("/task/new", json=task, headers=bearer)
    real = uploads.write_all

    def full(fd: int, content: bytes) -> None:
        real(fd, content[:2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(uploads, "write_all", full)
        where = {"id": task["id"], "offset": 0}
        answer = client.put("/task/upload", params=where, content=b"1234", headers=bearer)
    assert answer.status_code == 507
    assert "No space left" in answer.json()["message"]
    assert client.post("/task/new", json=task, headers=bearer).json()["offset"] == 0
    again = client.put("/task/upload", params=where, content=b"1234", headers=bearer)
    assert again.json()["offset"] == 4
    assert task["id"] not in site.registry.ids()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "127.0.0.1.evil.example:7033"},
    ],
)
def test_other_names_and_origins_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/validate/ping", headers=headers).status_code == 403


def test_a_tunnel_changes_the_port_alone(client: TestClient) -> None:
    for host in ("localhost:9999", "127.0.0.1:1", "[::1]:8"):
        assert client.post("/validate/ping", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "id",
    ["../../etc", "0123abcd__x/../y", "", "\0", "/etc/passwd", "0123abcd__" + "x" * 5000, "polls"],
)
@pytest.mark.parametrize(
    "path", ["status", "jobs", "logs", "errors", "cancel", "download", "remove"]
)
def test_no_id_becomes_another_path(client: TestClient, token: str, path: str, id: str) -> None:
    answer = client.post(
        f"/task/{path}", json={"id": id}, headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code in (404, 422), answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": "0123abcd__x", "size": 10, "digest": "short"}, 400),
        ({"id": "../x", "size": 10, "digest": "0" * 64}, 400),
        ({"id": "0123abcd__x", "size": 0, "digest": "0" * 64}, 422),
        ({"id": "0123abcd__x", "size": 1 << 50, "digest": "0" * 64}, 400),
        ([], 422),
    ],
)
def test_uploads_that_are_none(client: TestClient, token: str, body: Any, status: int) -> None:
    answer = client.post("/task/new", json=body, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == status, answer.text


def test_an_upload_is_told_what_is_not_installed_here(client: TestClient, token: str) -> None:
    told = {"id": "0123abcd__x", "size": 10, "digest": "0" * 64}
    told["requirements"] = {"lab_none": {"lab-none": "1.0"}, "click": {"click": version("click")}}
    answer = client.post("/task/new", json=told, headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["environment"]["differences"] == [["lab-none", "1.0", ""]]


def test_an_upload_that_was_altered_is_told_and_leaves_nothing(
    client: TestClient, token: str, site: ServedSite
) -> None:
    bearer = {"Authorization": f"Bearer {token}"}
    told = {"id": "0123abcd__x", "size": 10, "digest": "0" * 64}
    assert client.post("/task/new", json=told, headers=bearer).json()["offset"] == 0
    where = {"id": told["id"], "offset": 0}
    half = client.put("/task/upload", params=where, content=b"12345", headers=bearer)
    assert half.json()["offset"] == 5
    assert client.post("/task/new", json=told, headers=bearer).json()["offset"] == 5
    again = client.put("/task/upload", params=where, content=b"12345", headers=bearer)
    assert again.json()["offset"] == 5  # not taken twice
    rest = {**where, "offset": 5}
    much = client.put("/task/upload", params=rest, content=b"1234567", headers=bearer)
    assert much.status_code == 400
    end = client.put("/task/upload", params=rest, content=b"67890", headers=bearer)
    assert end.status_code == 400
    assert "altered" in end.json()["message"]
    left = os.listdir(ServerLayout(site.registry.root).uploads)
    assert [name for name in left if name.startswith(told["id"])] == [f"{told['id']}.lock"]
    assert site.registry.ids() == []
