"""What is told of a site elsewhere is what is told at home."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import hpcbatch as hb
from hpcbatch.cli.main import main
from hpcbatch.sites import wire
from hpcbatch.sites.here import Here
from hpcbatch.sites.rest.client import Client
from hpcbatch.sites.rest.site import Rest
from hpcbatch.sites.ssh.address import Address
from hpcbatch.sites.ssh.site import Ssh
from hpcbatch.sites.ssh.verbs import VERBS
from hpcbatch.words.errors import InputError
from hpcbatch.words.options import SubmitOptions
from hpcbatch.words.ranges import Ranges

from .test_doors import client

SCRIPT = ["script", "--shell", "true {x}", "--arg", "x=1,2", "--cluster", "slurm"]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rest]:
    """One that every --site leads to, on a host without schedulers."""
    monkeypatch.setenv("PATH", "/nowhere")
    with client(tmp_path / "served", require_auth=False, max_concurrent_jobs=7) as opened:
        made = Rest(Client("https://127.0.0.1", "", None))
        made._client._http = opened
        monkeypatch.setattr("hpcbatch.sites.connect.connect", lambda *_: made)
        yield made


def told(*argv: str) -> Any:
    answer = CliRunner().invoke(main, [*argv, "--json"])
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


def test_clusters_of_a_server(site: Rest, tmp_path: Path) -> None:
    (tmp_path / "hpcbatch.yaml").write_text("default: mine\nclusters: {mine: {scheduler: local}}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPCBATCH_CONFIG", str(tmp_path / "hpcbatch.yaml"))
        there = told("clusters", "--site", "lab")
        assert there == told("clusters")
    assert [row["name"] for row in there if row["default"]] == ["mine"]
    assert there == told("clusters", "--site", "lab"), "the schedulers are not asked each time"


def test_the_script_that_a_server_would_make(site: Rest, tmp_path: Path) -> None:
    there = told(*SCRIPT, "--site", "lab")
    assert there["cluster"] == "slurm"
    assert f"{tmp_path}/served" in there["script"]
    assert "--array=0-1%7" in there["script"], "as it is released there"
    home = told(*SCRIPT, "--root", str(tmp_path / "home"), "--throttle", "7")
    assert _general(there["script"]) == _general(home["script"]).replace(
        f"{tmp_path}/home", f"{tmp_path}/served"
    )
    assert site.specs() == []


def _general(script: str) -> str:
    """But for what differs between two tasks."""
    lines = script.splitlines()
    return "\n".join(line for line in lines if "__true" not in line and "true-" not in line)


@pytest.fixture
def login_node(tmp_path: Path) -> tuple[Here, Ssh]:
    """What is there, and the site that asks it without a connection."""
    here, far = Here(str(tmp_path / "root")), Ssh(Address.read("ssh://login"))

    def ask(verb: str, **asked: Any) -> Any:
        return json.loads(json.dumps(VERBS[verb](here, json.loads(json.dumps(asked)), None)))

    far._ask = ask  # type: ignore[assignment]
    return here, far


def test_no_jobs_at_all_are_none_there_as_well(
    site: Rest, login_node: tuple[Here, Ssh], tmp_path: Path
) -> None:
    registries = (f"{tmp_path}/served", login_node[0].registry.root)
    for far, root in zip((site, login_node[1]), registries, strict=True):
        spec = hb.create(abs, [1], root=root).spec
        path = Path(root, spec.id, "task.json")
        path.write_text(path.read_text().replace('"owner": ""', '"owner": "anonymous"'))
        task = hb.Task(far, spec.id)
        assert far.resolved_jobs(spec.id) == Ranges()
        assert far.jobs(spec.id, None, Ranges()) == []
        task.cancel(jobs=[])
        assert task.status().defined == 1


def test_a_login_node_tells_the_same(
    login_node: tuple[Here, Ssh], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    here, far = login_node
    assert far.clusters() == here.clusters()
    spec = hb.create(abs, [1], root=str(tmp_path / "laptop")).spec
    options = SubmitOptions("local", {"walltime": "1h"})
    there, home = far.preview(spec, options), here.preview(spec, options)
    assert there.cluster == home.cluster
    assert there.script.splitlines()[2:] == home.script.splitlines()[2:]  # the name is a new one
    assert here.specs() == []


@pytest.mark.parametrize(
    "change",
    [{"id": "../x"}, {"njobs": 0}, {"njobs": 10**12}, {"name": 3}, {"x": 1}, {"format": 99}],
)
def test_what_is_no_task_has_no_script(change: dict[str, Any], tmp_path: Path) -> None:
    spec = hb.create(abs, [1], root=str(tmp_path)).spec.to_json()
    assert wire.spec_from(spec).njobs == 1
    with pytest.raises(InputError, match="no task"):
        wire.spec_from({**spec, **change})


def test_what_is_about_this_machine_says_so(site: Rest) -> None:
    for command in (["config", "show"], ["clusters", "init"], ["doctor"]):
        answer = CliRunner().invoke(main, [*command, "--site", "lab"])
        assert answer.exit_code == 2, command
        assert "this machine alone" in answer.output
