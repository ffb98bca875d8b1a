"""An element on its node: what it runs, which signals that gets, what it leaves word of."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hpcbatch.drmaa_front.spool import Spool

from ..core import eventually

HEARS = """
import os, signal, sys, time
def hear(number, frame):
    os.write(1, f"{signal.Signals(number).name}\\n".encode())
for name in ("SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2"):
    signal.signal(getattr(signal, name), hear)
print("ready", flush=True)
end = time.monotonic() + 60
while not os.path.exists(sys.argv[1]) and time.monotonic() < end:
    time.sleep(0.02)
"""


class Node:
    def __init__(self, folder: Path):
        spool = folder / "spool"
        spool.mkdir(mode=0o700)
        self.array = spool / "arrays" / "x"
        self.array.mkdir(parents=True)
        (self.array / "ids").write_text("7.1\n7.2\n7.3\n")
        self.programs = Spool(str(spool)).programs()
        self.log = folder / "log"

    def script(self, body: str) -> None:
        (self.array / "script.sh").write_text(f"exec >>{self.log} 2>&1\n{body}\n")

    def command(self, elements: int, walltime: str, python: str) -> list[str]:
        program = f"{self.programs}/element.sh"
        return ["/bin/bash", program, str(self.array), str(elements), walltime, python]

    @contextmanager
    def started(
        self, elements: int = 3, walltime: str = "", python: str = sys.executable, **env: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        own = {"PATH": os.environ["PATH"], "JOB_ID": "7", "SGE_TASK_ID": "2", **env}
        command = self.command(elements, walltime, python)
        process = subprocess.Popen(command, env=own, cwd="/", start_new_session=True)
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def run(self, body: str, elements: int = 3, walltime: str = "", **env: str) -> int:
        self.script(body)
        with self.started(elements, walltime, **env) as process:
            return process.wait(60)

    def told(self, name: str) -> dict[str, Any]:
        return dict(json.loads((self.array / name).read_text()))

    def lines(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ("true", 0, ("ended", 0, None)),
        ("exit 3", 3, ("exit-code 3", 3, None)),
        ("kill -9 $$", 137, ("killed", None, 9)),
        ("kill -TERM $$", 143, ("killed", None, 15)),
    ],
)
def test_endings(node: Node, body: str, status: int, told: tuple[Any, ...]) -> None:
    assert node.run(body) == status
    ending = node.told("2.ended")
    assert (ending["reason"], ending["code"], ending["signal"]) == told
    assert ending["host"] == os.uname().nodename
    assert 0 <= ending["elapsed"] < 60
    assert 1e6 < ending["memory"] < 1e9
    assert sorted(path.name for path in node.array.iterdir()) == ["2.ended", "ids", "script.sh"]


def test_peak_memory_is_of_what_it_ran(node: Node) -> None:
    node.run(f"{sys.executable} -c 'x = bytearray(200_000_000)'")
    assert 200e6 < node.told("2.ended")["memory"] < 400e6


def test_the_script_knows_its_number_and_nothing_stands_between(node: Node) -> None:
    node.run("echo $HPCBATCH_DRMAA_INDEX; trap; exec grep -E '^Sig(Blk|Ign)' /proc/self/status")
    number, _, blocked, _, ignored = node.lines()
    assert (number, int(blocked, 16)) == ("2", 0)
    assert not int(ignored, 16) & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)


@pytest.mark.parametrize(
    ("env", "index"),
    [
        ({"SLURM_ARRAY_TASK_ID": "3"}, "3"),
        ({"PBS_ARRAY_INDEX": "12"}, "12"),
        ({"LSB_JOBINDEX": "1", "SGE_TASK_ID": "undefined"}, "1"),
    ],
)
def test_variables_of_schedulers(node: Node, env: dict[str, str], index: str) -> None:
    assert node.run("echo $HPCBATCH_DRMAA_INDEX", **{"SGE_TASK_ID": "", **env}) == 0
    assert node.lines() == [index]
    assert (node.array / f"{index}.ended").exists()


def test_without_a_number(node: Node) -> None:
    assert node.run("echo ran", SGE_TASK_ID="undefined") == 71
    assert node.lines() == []
    assert list(node.array.glob("no-index-*"))
    assert node.run("echo ran", elements=1, SGE_TASK_ID="undefined") == 0
    assert node.lines() == ["ran"]


@pytest.mark.parametrize("python", ["/no/such/python", "/etc/passwd"])
def test_without_the_interpreter(node: Node, python: str) -> None:
    node.script("echo ran $HPCBATCH_DRMAA_INDEX; exit 3")
    with node.started(python=python) as process:
        assert process.wait(60) == 3
    assert node.lines() == ["ran", "2"]


@pytest.mark.parametrize("to_all", [False, True])
def test_signals_reach_what_runs(node: Node, tmp_path: Path, to_all: bool) -> None:
    (tmp_path / "hears.py").write_text(HEARS)
    node.script(f"exec {sys.executable} {tmp_path}/hears.py {tmp_path}/gate")
    with node.started() as process:
        eventually(lambda: node.lines() == ["ready"])
        for count, name in enumerate(("SIGTERM", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGHUP"), 1):
            send = os.killpg if to_all else os.kill
            began = time.monotonic()
            send(process.pid, getattr(signal, name))
            eventually(lambda name=name: name in node.lines(), name)
            assert time.monotonic() - began < 5
            assert len(set(node.lines())) == count + 1
        (tmp_path / "gate").touch()
        assert process.wait(60) == 0
    heard = [line for line in node.lines() if line != "ready"]
    assert len(heard) == 5 or to_all
    assert node.told("2.ended")["reason"] == "ended"


def test_a_signal_ends_what_does_not_heed_it(node: Node) -> None:
    node.script("echo ready; exec sleep 60")
    with node.started() as process:
        eventually(lambda: node.lines() == ["ready"])
        process.send_signal(signal.SIGUSR2)
        assert process.wait(60) == 128 + signal.SIGUSR2
    assert node.told("2.ended")["signal"] == signal.SIGUSR2


def test_word_is_left_near_the_limit(node: Node) -> None:
    node.script("echo ready; exec sleep 60")
    with node.started(walltime="1") as process:
        eventually(lambda: (node.array / "2.limit").exists())
        assert node.told("2.limit")["reason"] == "timeout"
        assert 0.9 <= node.told("2.limit")["elapsed"] < 5
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
    assert not (node.array / "2.ended").exists()


def test_an_element_that_runs_again(node: Node) -> None:
    assert node.run("exit 3") == 3
    assert node.run("ls $(dirname $0) && sleep 0.1") == 0
    assert "2.ended" not in node.lines()
    assert node.told("2.begun") == {"job": "7.2"}
    assert node.told("2.ended")["reason"] == "ended"


def test_a_full_spool_harms_no_element(node: Node) -> None:
    node.script("rm -r $(dirname $0); exit 5")
    with node.started() as process:
        assert process.wait(60) == 5
