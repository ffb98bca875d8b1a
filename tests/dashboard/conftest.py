"""A served registry, and a browser that has come in."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from hpcbatch.server.app import make_app
from hpcbatch.server.dashboard.sessions import HEADER
from hpcbatch.server.site import ServedSite
from hpcbatch.sites.keys import assertion, load_private
from hpcbatch.words.server_layout import ServerLayout
from tests.server.serving import served_site

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks for a successor of httpx
    from starlette.testclient import TestClient


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> ServedSite:
    return served_site(tmp_path_factory.mktemp("served") / "root")


@pytest.fixture(scope="module")
def app(site: ServedSite) -> Iterator[Any]:
    yield make_app(site)
    if site.releaser.is_alive():
        site.releaser.end()


@pytest.fixture(scope="module")
def bearer(site: ServedSite) -> dict[str, str]:
    """The header of the owner's command line."""
    key = load_private(ServerLayout(site.registry.root).local_key, None)
    token, _ = site.tokens.exchange(assertion(key, site.identity.id, time.time()), time.time())
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def client(app: Any) -> Iterator[TestClient]:
    with TestClient(app, base_url="https://127.0.0.1") as client:
        yield client


@dataclass
class Browser:
    """What keeps its cookies; ``headers`` are those that its own pages send."""

    http: TestClient
    headers: dict[str, str]

    def ask(self, path: str, **body: Any) -> Any:
        return self.http.post(path, json=body, headers=self.headers)


def new_browser(client: TestClient) -> TestClient:
    """Without cookies of another."""
    return TestClient(client.app, base_url="https://127.0.0.1")


def new_code(client: TestClient, bearer: dict[str, str]) -> str:
    return str(client.post("/dashboard/code", headers=bearer).json()["code"])


@pytest.fixture
def browser(client: TestClient, bearer: dict[str, str]) -> Browser:
    http = new_browser(client)
    code = new_code(client, bearer)
    entered = http.post("/dashboard/enter", data={"code": code}, headers={"Origin": "null"})
    assert entered.status_code == 200, entered.text
    found = re.search(r'name="hpcbatch-token" content="([\w-]+)"', entered.text)
    assert found is not None
    return Browser(http, {HEADER: found[1]})
