"""What the doctor finds, and that it leaves nothing behind."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from hpcbatch.doctor import dialling, nodes
from tests.core import eventually
from tests.local import Local, by_value, configured, local

from .conftest import Shell

__all__ = ["local"]


def found(told: list[dict[str, Any]], cluster: str | None, about: str) -> dict[str, Any]:
    [one] = [each for each in told if (each["cluster"], each["about"]) == (cluster, about)]
    return one


def test_a_cluster_that_is_well(hb: Shell, local: Local) -> None:
    told = hb.json("doctor", "--cluster", "local")
    assert {each["state"] for each in told} <= {"fine", "note"}
    assert os.uname().nodename in found(told, "local", "node")["told"]
    for about in ("files", "clocks", "locks", "dialling in"):
        assert found(told, "local", about)["state"] == "fine"
    assert hb.tasks() == []
    assert not [name for name in os.listdir(os.environ["HPCBATCH_ROOT"]) if "doctor" in name]


def test_a_cluster_that_nobody_knows_is_told_before_all_else(hb: Shell) -> None:
    result = hb("doctor", "--cluster", "slrum")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean 'slurm'" in result.stderr


def test_an_element_that_cannot_begin_is_quoted(hb: Shell, local: Local) -> None:
    configured(setup=["echo there is no module python >&2", "exit 3"])
    told = hb.json("doctor", "--cluster", "local", status=1)
    node = found(told, "local", "node")
    assert node["state"] == "wrong"
    assert "there is no module python" in node["told"]
    assert hb.tasks() == []


def test_a_queue_that_is_full_is_no_fault(
    hb: Shell, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPCBATCH_LOCAL_SLOTS", "1")
    gate = local.gate

    def job(k: int) -> None:
        import os
        import time

        while not os.path.exists(gate):
            time.sleep(0.02)

    busy = local.create(by_value(job), range(1)).submit("local")
    eventually(lambda: local.processes(busy), "it to run")
    node = found(hb.json("doctor", "-c", "local", "--wait", "1s"), "local", "node")
    assert node["state"] == "note"
    assert "no element began" in node["told"]
    assert hb.tasks() == [busy.id]


def test_a_submission_that_is_refused(hb: Shell) -> None:
    hb.fakes.refuse()
    told = hb.json("doctor", "--cluster", "slurm", status=1)
    assert "invalid partition" in found(told, "slurm", "submission")["told"]
    assert hb.tasks() == []


def test_what_is_wrong_here(hb: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "broken.yaml"
    config.write_text("clusters: {a: {scheduler: slrum}}")
    monkeypatch.setenv("HPCBATCH_CONFIG", str(config))
    assert "'slurm'" in found(hb.json("doctor", status=1), None, "configuration")["told"]
    monkeypatch.delenv("HPCBATCH_CONFIG")
    monkeypatch.setenv("PATH", str(tmp_path))
    told = hb.json("doctor", "--cluster", "slurm", "--no-node", status=1)
    assert "sbatch" in found(told, "slurm", "programs")["told"]
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    monkeypatch.setenv("HPCBATCH_ROOT", str(shared))
    assert found(hb.json("doctor", status=1), None, "registry")["state"] == "wrong"


def test_a_node_that_cannot_dial_in() -> None:
    with dialling.opened(is_local=True) as door:
        [(host, port)] = door.addresses
        with socket.create_connection((host, port), 30) as stranger:
            stranger.sendall(b"x" * len(door.word))
            assert stranger.recv(100) == b""
        with socket.create_connection((host, port), 30) as known:
            known.sendall(door.word.encode())
            assert known.recv(100).decode() == door.word[::-1]
    with pytest.raises(OSError):  # it listens no more
        socket.create_connection((host, port), 30)
    assert "at 10.0.0.1, and not at 1 of" in dialling.dialled({"10.0.0.1": "", "x": "no"}).told
    far = dialling.dialled({"10.0.0.1": "timed out"})
    assert (far.state, "10.0.0.1: timed out" in far.told) == ("note", True)
    assert dialling.dialled(None).state == "note"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this host has no IPv6")
def test_a_node_may_dial_in_by_either_protocol() -> None:
    with dialling.opened(is_local=False) as door:
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, door.addresses[0][1]), 30) as known:
                known.sendall(door.word.encode())
                assert known.recv(100).decode() == door.word[::-1]


def test_clocks_and_locks_that_are_not_as_they_should_be(tmp_path: Path) -> None:
    about = {"lock": "held", "host": "another"}
    (tmp_path / "lock").touch()
    assert nodes._lock(about, str(tmp_path)).state == "wrong"  # nobody holds it
    assert nodes._lock({**about, "lock": "No locks available"}, str(tmp_path)).state == "note"

    class Late(nodes._Exchange):
        def tell(self, name: str) -> None:
            content = '{"time": 1.0}'
            (tmp_path / name.replace("ping", "pong")).write_text(content)

    files, clocks = nodes._files(Late(str(tmp_path)))
    assert files.state == "fine"
    assert (clocks.state, "behind" in clocks.told) == ("note", True)
