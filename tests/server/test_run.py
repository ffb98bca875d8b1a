"""What is known of the server that runs."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import hpcbatch as hb
from hpcbatch.cli.main import main
from hpcbatch.disk.files import make_folder
from hpcbatch.disk.locks import held
from hpcbatch.registry.registry import Registry
from hpcbatch.server.serve import serve
from hpcbatch.server.settings import ServerSettings
from hpcbatch.sites.run_file import Run, find_run
from hpcbatch.words.server_layout import ServerLayout


@pytest.fixture
def layout(tmp_path: Path) -> ServerLayout:
    made = ServerLayout(str(tmp_path))
    make_folder(made.folder)
    return made


def run() -> Run:
    return Run(os.getpid(), os.uname().nodename, "https://127.0.0.1:7033", "a" * 52, 1.0)


def test_what_a_killed_server_left_is_nobodys(layout: ServerLayout, tmp_path: Path) -> None:
    run().publish(layout)
    assert find_run(str(tmp_path)) is None
    with held(layout.lock, 1.0):
        assert find_run(str(tmp_path)) == run()


def test_one_that_begins_is_not_taken_for_the_one_before(
    layout: ServerLayout, tmp_path: Path
) -> None:
    """Whose process may be anybody's by now, and would be ended with the server."""
    run().publish(layout)
    looks = f"test ! -e '{layout.run_file}' && touch '{tmp_path}/seen' && false"
    with pytest.raises(hb.ConfigError, match="startup_script failed"):
        serve(Registry(str(tmp_path)), ServerSettings(port=0, startup_script=looks))
    assert (tmp_path / "seen").exists()


@pytest.mark.parametrize("content", ["", "null", "{}", "{"])
def test_a_file_that_is_damaged(layout: ServerLayout, tmp_path: Path, content: str) -> None:
    Path(layout.run_file).write_text(content)
    assert find_run(str(tmp_path)) is None
    with held(layout.lock, 1.0), pytest.raises(hb.DamagedFile, match="and a server runs"):
        find_run(str(tmp_path))


def test_that_none_runs_is_told_as_json(tmp_path: Path) -> None:
    asked = ["--root", str(tmp_path), "server", "status", "--json"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 3
    assert (
        json.loads(done.stdout)["message"]
        == f"no server runs for {tmp_path}: hpcbatch server start"
    )


@pytest.mark.parametrize("full", ["node.lab.edu", "localhost", "localhost.localdomain"])
def test_a_card_names_the_machine(monkeypatch: pytest.MonkeyPatch, full: str) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda: full)
    monkeypatch.setattr(socket, "gethostname", lambda: "node")
    own = "node.lab.edu" if full == "node.lab.edu" else "node"
    everywhere = replace(run(), address="https://0.0.0.0:7033")
    assert everywhere.addresses == ["https://127.0.0.1:7033", f"https://{own}:7033"]
    assert everywhere.card.address == f"https://{own}:7033"
