"""A browser comes in, does what its user may do, and nothing for anybody else's page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hpcbatch.server.dashboard import pages
from hpcbatch.server.dashboard.sessions import HEADER
from hpcbatch.server.site import ServedSite
from hpcbatch.sites.keys import public_pem
from hpcbatch.words.status import COLOURS
from tests.core import Case

from .conftest import Browser, TestClient, new_browser, new_code


@pytest.fixture(autouse=True)
def no_failures_yet(site: ServedSite) -> None:
    site.failures._times.clear()


def test_a_code_lets_a_browser_in_once(
    client: TestClient, bearer: dict[str, str], site: ServedSite
) -> None:
    given = client.post("/dashboard/code", headers=bearer).json()
    certificate = Path(site.identity.certificate_path).read_text()
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest().upper()
    assert given["fingerprint"] == ":".join(re.findall("..", digest))
    asked = {"name": given["name"]}
    assert client.post("/dashboard/used", json=asked, headers=bearer).json() == {"used": False}
    http = new_browser(client)
    form, null = {"code": given["code"]}, {"Origin": "null"}
    entered = http.post("/dashboard/enter", data=form, headers=null)
    assert entered.status_code == 200
    cookie = entered.headers["set-cookie"].lower()
    assert cookie.startswith("__host-hpcbatch-")
    for flag in ("httponly", "secure", "samesite=strict", "path=/"):
        assert f"; {flag}" in cookie
    assert "domain" not in cookie
    assert given["code"] not in entered.text
    assert client.post("/dashboard/used", json=asked, headers=bearer).json() == {"used": True}
    again = new_browser(client).post("/dashboard/enter", data=form, headers=null)
    assert again.status_code == 401
    assert "set-cookie" not in again.headers
    page = {**null, "Accept": "text/html,*/*"}
    told = new_browser(client).post("/dashboard/enter", data=form, headers=page)
    assert told.status_code == 401
    assert "<h1>Not logged in</h1>" in told.text


def test_only_a_page_on_a_disk_may_post_a_code_and_nothing_else(
    client: TestClient, bearer: dict[str, str]
) -> None:
    form = {"code": new_code(client, bearer)}
    evil = new_browser(client).post(
        "/dashboard/enter", data=form, headers={"Origin": "https://evil.example"}
    )
    assert evil.status_code == 403
    for path in ("/dashboard/code", "/task/list", "/dashboard/leave", "/dashboard/enter/"):
        asked = client.post(path, json={}, headers={**bearer, "Origin": "null"})
        assert asked.status_code == 403, path


@pytest.mark.parametrize("form", ["", "code=", "code=nonsense", "nonsense", "code=" + "x" * 9000])
def test_what_is_no_code(client: TestClient, form: str) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = new_browser(client).post("/dashboard/enter", content=form, headers=kind)
    assert answer.status_code == 401


def test_a_session_needs_its_token_for_whatever_it_asks(browser: Browser, client: Any) -> None:
    told = browser.http.get("/dashboard/session", headers=browser.headers).json()
    assert (told["user"], told["admin"]) == ("local", True)
    assert browser.ask("/task/list").status_code == 200
    for headers in ({}, {HEADER: "x" * 43}, {HEADER: ""}):
        assert browser.http.post("/task/list", json={}, headers=headers).status_code == 401
        assert browser.http.get("/dashboard/session", headers=headers).status_code == 401
        assert browser.http.get("/events", headers=headers).status_code == 401
    alone = new_browser(client).post("/task/list", json={}, headers=browser.headers)
    assert alone.status_code == 401


def test_a_token_that_is_wrong_is_not_helped_by_a_session(browser: Browser) -> None:
    for shown in ("Bearer nonsense", "Basic eA==", "Bearer "):
        headers = {**browser.headers, "Authorization": shown}
        assert browser.http.post("/task/list", json={}, headers=headers).status_code == 401


def test_another_origin_is_refused_with_a_session_too(browser: Browser) -> None:
    headers = {**browser.headers, "Origin": "https://evil.example"}
    assert browser.http.post("/task/list", json={}, headers=headers).status_code == 403


def test_leaving_ends_the_session(browser: Browser) -> None:
    cookies = dict(browser.http.cookies)
    assert browser.ask("/dashboard/leave").status_code == 204
    assert not browser.http.cookies
    browser.http.cookies.update(cookies)
    assert browser.ask("/task/list").status_code == 401


def test_a_revoked_user_is_out_at_once(client: TestClient, site: ServedSite) -> None:
    key = rsa.generate_private_key(65537, 2048)
    user = site.users.add(public_pem(key), "bob")
    code, _ = site.codes.issue(user.id, -1000.0)
    late = new_browser(client).post("/dashboard/enter", data={"code": code})
    assert late.status_code == 401  # of the distant past
    code, _ = site.codes.issue(user.id, time.monotonic())
    http = new_browser(client)
    entered = http.post("/dashboard/enter", data={"code": code})
    token = re.search(r'content="([\w-]{43})"', entered.text)
    assert token is not None
    bob = Browser(http, {HEADER: token[1]})
    assert bob.ask("/task/list").json() == {"tasks": []}
    assert bob.ask("/validate/shutdown").status_code == 403
    site.users.revoke("bob")
    assert bob.ask("/task/list").status_code == 401


def test_pages_are_open_and_strict(client: TestClient) -> None:
    names = [path.name for path in Path(pages.FOLDER).iterdir()]
    for path in ("/", "/assets/states.css", *(f"/assets/{name}" for name in names)):
        answer = new_browser(client).get(path)
        assert answer.status_code == 200, path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        if answer.headers["content-type"].startswith("text/html"):
            assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", answer.text)
        if not path.endswith(".svg"):  # the name of its format looks like an address
            used = re.sub(r"http://www\.w3\.org/\S+", "", answer.text)
            assert not re.search(r"https?://", used), path
    told = client.get("/assets/states.css").text
    assert all(f"--{state}:{colour}" in told for state, colour in COLOURS.items())


@pytest.mark.parametrize("name", ["nothing.js", "..%2fpages.py", "%2e%2e/pages.py", "__init__.py"])
def test_nothing_else_is_an_asset(client: TestClient, name: str) -> None:
    assert client.get(f"/assets/{name}").status_code == 404


def fails_at_two(k: int) -> int:
    print("job", k)
    if k == 2:
        raise ValueError("two")
    return k


def test_what_pages_show(browser: Browser, app: Any, site: ServedSite, client: TestClient) -> None:
    case = Case.of(fails_at_two, range(6), root=site.registry.root, name="<b>bold</b>")
    case.submit()
    case.run()
    id = case.task.id
    assert browser.ask("/view/grid", id=id).json()["runs"] == "e2fe3"
    told = browser.ask("/view/figures", id=id).json()
    assert told["elements"][0][:2] == [1, 0]
    assert told["elements"][0][4:6] == [5, 1]
    assert sum(told["times"]["counts"]) == 6
    (group,) = browser.ask("/view/failures", id=id).json()["groups"]
    assert (group["told"], group["jobs"], group["count"]) == ("ValueError: two", "2", 1)
    assert "fails_at_two" in group["traceback"]
    assert browser.ask("/view/failures", id=id, job=2).json()["groups"][0]["job"] == 2
    assert browser.ask("/view/failures", id=id, job=3).json()["groups"] == []
    assert browser.ask("/view/failures", id=id, job=99).status_code == 404
    (attempt,) = browser.ask("/view/attempts", id=id).json()["attempts"]
    assert (attempt["number"], attempt["jobs"], attempt["elements"]) == (1, 6, 1)
    part = browser.ask("/view/log", id=id, attempt=1, element=0, begin=-6).json()
    assert base64.b64decode(part["content"]) == b"job 5\n"
    assert browser.ask("/view/script", id=id, attempt=1).status_code == 404
    app.state.is_ending = lambda: True  # else a stream has no end
    events = browser.http.get("/events", headers=browser.headers)
    app.state.is_ending = lambda: False
    assert events.headers["content-type"].startswith("text/event-stream")
    assert events.headers["cache-control"] == "no-store"
    (data,) = re.findall(r"(?m)^data: (.*)$", events.text)
    (seen,) = json.loads(data)["tasks"]
    assert (seen["name"], seen["counts"]["error"], seen["user"]) == (
        "<b>bold</b>",
        1,
        case.task.spec.user,
    )
    stranger = site.users.add(public_pem(rsa.generate_private_key(65537, 2048)), "carol")
    halves = site.sessions.begin(stranger.id, time.monotonic())
    http = new_browser(client)
    http.cookies.set(next(iter(browser.http.cookies)), halves.cookie, domain="127.0.0.1")
    carol = Browser(http, {HEADER: halves.token})
    assert carol.ask("/task/list").json() == {"tasks": []}
    for verb in ("grid", "figures", "failures", "attempts"):
        assert carol.ask(f"/view/{verb}", id=id).status_code == 404
    assert carol.ask("/view/script", id=id, attempt=1).status_code == 404
    assert carol.ask("/view/log", id=id, attempt=1, element=0).status_code == 404
