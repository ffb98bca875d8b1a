"""hpcbatch dashboard: the file that lets a browser in, and what becomes of it."""

from __future__ import annotations

import json
import stat
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from hpcbatch.cli import dashboard
from hpcbatch.cli.main import main

CODE = "the-one-time-code"


class Server:
    """One that tells when its code was used."""

    place = "https://login:7033"

    def __init__(self, lives: float = 60.0, fingerprint: str = "AB:CD") -> None:
        self.given = {"code": CODE, "name": "n", "lives": lives, "fingerprint": fingerprint}
        self.asked: list[str] = []

    def dashboard_code(self) -> dict[str, Any]:
        return self.given

    def dashboard_code_is_used(self, name: str) -> bool:
        self.asked.append(name)
        return len(self.asked) > 1


class Browser:
    """One that looks at what it is told to open."""

    def __init__(self, is_there: bool = True) -> None:
        self.is_there = is_there
        self.address, self.page, self.modes = "", "", (0, 0)

    def open(self, address: str) -> bool:
        path = Path(urlsplit(address).path)
        self.address, self.page = address, path.read_text()
        self.modes = stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)
        return self.is_there


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    browser = Browser()
    monkeypatch.setattr(webbrowser, "open", browser.open)
    monkeypatch.setattr(dashboard, "PAUSE", 0.0)
    return browser


def run(monkeypatch: pytest.MonkeyPatch, server: Server, *argv: str, status: int = 0) -> str:
    monkeypatch.setattr(dashboard, "_server", lambda setting: server)
    done = CliRunner().invoke(main, ["dashboard", *argv])
    assert done.exit_code == status, done.output
    assert CODE not in done.output
    return done.output


def test_the_browser_opens_a_file_that_nobody_else_reads(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server()
    told = run(monkeypatch, server)
    assert browser.modes == (0o600, 0o700)
    assert CODE not in browser.address
    assert f'value="{CODE}"' in browser.page
    assert 'action="https://login:7033/dashboard/enter"' in browser.page
    assert "AB:CD" in browser.page
    assert "AB:CD" in told
    assert "Logged in." in told
    assert server.asked == ["n", "n"]
    assert not Path(urlsplit(browser.address).path).parent.exists()


def test_a_code_that_is_not_used_leaves_no_file(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = run(monkeypatch, Server(lives=0.0), status=2)
    assert "not used in time" in told
    assert "run hpcbatch dashboard again" in told
    assert browser.address
    assert not Path(urlsplit(browser.address).path).parent.exists()


def test_without_a_browser_the_path_is_told(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.is_there = False
    assert urlsplit(browser.address).path in run(monkeypatch, Server())
    browser.address = ""
    told = json.loads(run(monkeypatch, Server(), "--json"))
    assert told["file"].endswith("/login.html")
    assert (told["fingerprint"], browser.address) == ("AB:CD", "")
    assert "/login.html" in run(monkeypatch, Server(fingerprint=""), "--print")
    assert browser.address == ""


def test_what_a_server_tells_becomes_no_markup() -> None:
    given = {"code": '"><script>', "name": "n", "lives": 1, "fingerprint": "<b>"}
    page = dashboard._page("https://x", given)
    assert "<b>" not in page
    assert page.count("<script>") == 1
    assert "certificate" not in dashboard._page("http://x", {**given, "fingerprint": ""})


def test_there_must_be_a_server() -> None:
    done = CliRunner().invoke(main, ["dashboard"])
    assert done.exit_code == 2
    assert "hpcbatch server start" in done.output
