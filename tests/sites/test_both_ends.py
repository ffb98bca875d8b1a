"""What a site asks for is served at the other end."""

from __future__ import annotations

import ast
from pathlib import Path

import hpcbatch
from hpcbatch.server.app import make_app
from hpcbatch.sites.base import Site
from hpcbatch.sites.ssh.verbs import VERBS
from tests.server.serving import served_site

SITES = Path(hpcbatch.__file__).parent / "sites"
WITH_FIND = {"spec", "folder"}
WITH_SUBMIT = {"checked"}
ROUTES = {  # where a route is no verb of its name
    "create": {"new", "upload"},
    "specs": {"list"},
    "track": {"status"},
    "log": {"logs"},
    "collect": {"download"},
    "folder": {"spec"},
    "clusters": set(),  # which is no task's: /info/clusters
    "checked": set(),
}


def asked(path: Path, *methods: str) -> set[str]:
    """The plain texts that these methods are called with first."""
    calls = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call)]
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in methods and call.args
        if isinstance(call.args[0], ast.Constant)
    }


def test_a_login_node_serves_what_is_asked_of_it() -> None:
    files = (SITES / "ssh").glob("*.py")
    wanted = set().union(*(asked(each, "ask", "_ask", "_status", "begun") for each in files))
    assert wanted == VERBS.keys()
    assert Site.__abstractmethods__ - WITH_FIND - WITH_SUBMIT <= VERBS.keys()


def test_a_server_serves_what_is_asked_of_it(tmp_path: Path) -> None:
    site = SITES / "rest" / "site.py"
    paths = asked(site, "ask", "get", "upload", "stream")
    verbs = asked(site, "_ask")
    assert "/task/download" in paths
    assert "submit" in verbs
    served = make_app(served_site(tmp_path)).openapi()["paths"].keys()
    assert paths | {f"/task/{verb}" for verb in verbs} <= served
    wanted = set().union(*(ROUTES.get(verb, {verb}) for verb in Site.__abstractmethods__))
    assert {path for path in served if path.startswith("/task/")} == {
        f"/task/{name}" for name in wanted
    }
