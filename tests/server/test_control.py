"""A server begins, is found and ends from Python."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import hpcbatch as hb
from hpcbatch.disk.files import make_folder
from hpcbatch.disk.locks import held
from hpcbatch.registry.registry import Registry
from hpcbatch.server import lifecycle
from hpcbatch.server.lifecycle import Serving
from hpcbatch.sites.run_file import Run
from hpcbatch.words.server_layout import ServerLayout
from tests.core import eventually

from .conftest import is_alive

pytestmark = pytest.mark.slow


def test_from_start_to_end(own_registry: Path) -> None:
    assert not hb.server_alive()
    assert not hb.kill_server()
    run = hb.start_server(port=0)
    try:
        assert hb.server_alive()
        assert hb.ensure_server() == run
        with pytest.raises(hb.StateError, match="runs already"):
            hb.start_server(port=0)
        task = hb.create(abs, [-1], site=hb.connect()).submit("local")
        task.wait(60, progress=False)
        assert task.collect() == [1]
    finally:
        assert hb.kill_server()
    eventually(lambda: not is_alive(run.pid), "the server to end")


def test_it_ends_with_the_process_that_wants_that(own_registry: Path) -> None:
    program = """
import hpcbatch as hb
hb.default_port(0)
hb.autoclose_server(True)
print(hb.ensure_server().pid)
assert hb.server_alive()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    eventually(lambda: not is_alive(int(done.stdout)), "the server to end")
    assert not hb.server_alive()


def test_one_that_another_process_starts_is_that_of_all(
    own_registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = ServerLayout(str(own_registry))
    make_folder(layout.folder)
    run = Run(os.getpid(), os.uname().nodename, "https://127.0.0.1:7033", "a" * 52, 1.0)

    def loses(*_: object) -> None:
        run.publish(layout)
        raise hb.StateError("a server runs already")

    monkeypatch.setattr(lifecycle, "start", loses)
    with held(layout.lock, 1.0):
        assert hb.ensure_server() == run
    with pytest.raises(hb.StateError, match="runs already"):
        hb.ensure_server()


def test_what_stops_a_start_is_told(own_registry: Path) -> None:
    own_registry.mkdir(mode=0o700)
    settings = own_registry / "settings.yaml"
    settings.write_text("modules: {/mine: no.such.module:router}")
    with pytest.raises(hb.StateError, match=r"no\.such\.module:router cannot be loaded"):
        hb.start_server(port=0, settings=str(settings))
    assert not hb.server_alive()


def test_one_that_is_too_slow_is_ended(own_registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_registry.mkdir(mode=0o700)
    settings = own_registry / "settings.yaml"
    settings.write_text("server_scripts: {startup_script: sleep 100}")
    monkeypatch.setattr(lifecycle, "STARTS_WITHIN", 1.0)
    with pytest.raises(hb.StateError, match="not ready within 1 s"):
        hb.start_server(port=0, settings=str(settings))
    assert not hb.server_alive()


def test_one_that_does_not_end_is_told_with_what_ends_it(
    own_registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(hb.StateError, match=r"no server runs for .*: hpcbatch server start"):
        lifecycle.stop(Registry(str(own_registry)))
    layout = ServerLayout(str(own_registry))
    make_folder(layout.folder)
    monkeypatch.setattr(lifecycle, "ENDS_WITHIN", 0.0)
    with held(layout.lock, 1.0), subprocess.Popen(["sleep", "600"]) as process:
        host = os.uname().nodename
        Run(process.pid, host, "https://127.0.0.1:7033", "a" * 52, 1.0).publish(layout)
        with pytest.raises(hb.StateError, match=rf"server\.log .* kill -9 {process.pid} ends it"):
            lifecycle.stop(Registry(str(own_registry)))
    assert process.returncode == -signal.SIGTERM


def test_defaults_are_set_for_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (hb.default_host(), hb.default_port()) == ("127.0.0.1", 7033)
    assert hb.default_port(7055) == hb.default_port() == 7055
    assert hb.default_port(7033) == 7033


def test_how_it_was_asked_for_is_told_to_its_process() -> None:
    assert Serving().argv() == []
    asked = Serving("::1", 0, "/a b", insecure_http=True)
    given = ["--host", "::1", "--port", "0", "--settings", "/a b", "--insecure-http"]
    assert asked.argv() == given
