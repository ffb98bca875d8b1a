"""Whatever the document of the routes allows, and what it does not, brings no answer of 5xx."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpcbatch.server.app import make_app
from hpcbatch.server.settings import ServerOptions, ServerSettings
from hpcbatch.server.site import ServedSite
from tests.conftest import IS_LONG
from tests.core import Case

from .serving import served_site

schemathesis = pytest.importorskip("schemathesis", reason="make chaos installs schemathesis")
pytestmark = [
    pytest.mark.skipif(not IS_LONG, reason="takes minutes: make chaos"),
    pytest.mark.filterwarnings("ignore"),  # of what drives the application
]


@pytest.fixture
def site(own_registry: Path, monkeypatch: pytest.MonkeyPatch) -> ServedSite:
    """On a host without schedulers, which may be long in answering."""
    case = Case.of(abs, [-1, 2, "x"])
    case.run(case.submit())
    monkeypatch.setenv("PATH", "/nowhere")
    return served_site(own_registry, ServerSettings(options=ServerOptions(require_auth=False)))


@pytest.fixture
def api(site: ServedSite) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = schemathesis.openapi.from_asgi("/openapi.json", make_app(site))
    # which ends this process, and which has no end
    return schema.exclude(path=["/validate/shutdown", "/events"])


def test_no_request_breaks_the_server(api: Any, site: ServedSite) -> None:
    [task_id] = site.registry.ids()
    answers: Counter[int] = Counter()
    for result in api.get_all_operations():
        operation = result.ok()
        removes = operation.path == "/task/remove"

        @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(), is_known=st.just(False) if removes else st.booleans())
        def ask(case: Any, is_known: bool) -> None:
            for table in (case.body, case.query):
                if is_known and isinstance(table, dict) and "id" in table:
                    table["id"] = task_id
            site.failures._times.clear()
            told = case.call_and_validate(checks=[schemathesis.checks.not_a_server_error])
            answers[told.status_code] += 1

        ask()
    assert {200, 400, 401, 404} <= set(answers), answers
