"""A controller that is far from its workers: they dial in at the login node."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import hpcbatch as hb
from hpcbatch.cli.main import main
from hpcbatch.pool.monitor import Pool, pools
from hpcbatch.pool.relay.far import SILENCE
from hpcbatch.sites.ssh import exchange
from tests.conftest import IS_LONG
from tests.core import ROOT, eventually
from tests.local import by_value
from tests.pool.conftest import is_alive

from .conftest import Client
from .cutter import Cutter
from .sshd import Host, Sshd

pytestmark = [pytest.mark.slow, pytest.mark.sshd]

AWAY = 20.0
SLEEPER = """
import hpcbatch as hb, os
with hb.Controller("local", 1, site=hb.connect("ssh://login")) as pool:
    print(pool.submit(os.getpid).result(60), flush=True)
    input()
    print(pool.submit(os.getpid).result(60), flush=True)
"""
FIRST = int(os.environ.get("HPCBATCH_CHAOS_SEED", "1"))
CUTS = 50 if IS_LONG else 2
LARGE = 400_000  # random bytes of an argument, and of a result
CONTROLLER = f"""
import hpcbatch as hb, time
pool = hb.Controller("local", 1, site=hb.connect("ssh://login"), away={AWAY})
print(pool.submit(__import__("os").getpid).result(60), flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def own_host() -> Iterator[Host]:
    """Of this very user, whose Python has what a worker needs."""
    made = Host(as_self=True)
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def own_sshd(own_host: Host) -> Iterator[Sshd]:
    made = Sshd(own_host.folder / "sshd", own_host)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def far(client: Client, own_host: Host, own_sshd: Sshd) -> Iterator[Callable[..., hb.Controller]]:
    client.knows(own_sshd)
    client.configure(own_sshd.config("login"))
    made: list[hb.Controller] = []

    def make(cluster: str = "local", workers: int = 2, **settings: Any) -> hb.Controller:
        settings = {"away": AWAY, **settings}
        made.append(hb.Controller(cluster, workers, site=client.site(), **settings))
        return made[-1]

    yield make
    for pool in made:
        pool.terminate()


def pool_there(host: Host) -> Pool:
    return pools(str(host.home / ".hpcbatch"))[-1]


def is_over(pool: Pool, *pids: int) -> bool:
    """Whether nothing is left of it but its folder."""
    if any(map(is_alive, pids)) or os.path.exists(pool.layout.door):
        return False
    with open(pool.layout.record) as file:
        told = json.load(file)
    return bool(told["ended"]) and not is_alive(told["pid"]) and not pool.workers()


def test_calls_and_their_results_pass_the_login_node(
    far: Callable[..., hb.Controller], own_host: Host
) -> None:
    with far() as pool:
        double = by_value(lambda x: 2 * x)
        assert pool.map(double, range(1000)) == [2 * x for x in range(1000)]
        large = b"x" * (5 << 20)
        assert pool.submit(by_value(lambda b: b + b"y"), large).result(60) == large + b"y"
        assert pool.check().is_ok
        there = pool_there(own_host)
        assert os.stat(there.layout.door).st_mode & 0o777 == 0o600
        assert there.state == "open"
        listed = CliRunner().invoke(main, ["--json", "pool", "list", "--site", "ssh://login"])
        assert [each["state"] for each in json.loads(listed.stdout)] == ["open"]
        by_default = {"HPCBATCH_SITE": "ssh://login"}
        (here,) = hb.pools()
        for env, known in ((by_default, "last"), ({}, here.id), (by_default, here.id)):
            told = CliRunner(env=env).invoke(main, ["--json", "pool", "workers", known])
            assert len(json.loads(told.stdout)) == 2, known
        worker = pool.summary()[0]["worker"]
        told = CliRunner().invoke(main, ["--json", "pool", "logs", here.id, worker])
        assert list(json.loads(told.stdout)) == [worker.partition(".")[0]]
        pids = [int(each["pid"]) for each in pool.summary()]
    eventually(lambda: is_over(there, *pids), "the relay to leave nothing behind")


def test_connections_that_are_cut_at_random(
    far: Callable[..., hb.Controller], own_sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each result is right, no task is run by two workers, and the workers stay."""
    chance = random.Random(FIRST)
    monkeypatch.setattr(exchange, "PAUSES", (0.05, 0.5))
    pool = far(workers=2)
    pool.start()  # a pool that cannot be opened is an error
    cutter = Cutter(own_sshd, monkeypatch)
    where = by_value(lambda k, content: (k, content, __import__("os").getpid()))
    pids = {int(each["pid"]) for each in pool.summary()}
    for _ in range(CUTS):
        contents = [chance.randbytes(chance.choice((10, LARGE))) for _ in range(20)]
        timer = cutter.arm(chance.random() * 10 * LARGE, chance.random() * 0.6)
        calls = [pool.submit(where, k, content) for k, content in enumerate(contents)]
        found = [call.result(120) for call in calls]
        timer.cancel()
        assert [row[:2] for row in found] == list(enumerate(contents))
        pids |= {row[2] for row in found}
    assert cutter.cuts >= CUTS / 2
    assert len(pids) == 2, "a worker was lost"


def test_a_connection_that_is_cut_is_made_again(
    far: Callable[..., hb.Controller], own_sshd: Sshd, own_host: Host
) -> None:
    pool = far(workers=1)
    own = by_value(lambda: __import__("os").getpid())
    first = pool.submit(own).result(60)
    for _ in range(2):
        assert own_sshd.cut()
        assert pool.submit(own).result(60) == first, "the same worker has come back"
    there = pool_there(own_host)
    pool.terminate()
    eventually(lambda: is_over(there, first), "all to end")


def test_nothing_stays_behind_a_controller_that_is_killed(
    far: Callable[..., hb.Controller], own_host: Host
) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    controller = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER], stdout=subprocess.PIPE, env=env
    )
    with controller:
        assert controller.stdout is not None
        worker = int(controller.stdout.readline())
        there = pool_there(own_host)
        controller.send_signal(signal.SIGKILL)
    eventually(lambda: is_over(there, worker), "all to end")


@pytest.mark.long
def test_a_laptop_that_sleeps_for_longer_than_its_silence(
    far: Callable[..., hb.Controller], own_host: Host
) -> None:
    """The connection is given up, the workers wait for it, and go on."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    controller = subprocess.Popen(
        [sys.executable, "-c", SLEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
    )
    with controller:
        assert controller.stdin is not None
        assert controller.stdout is not None
        worker = int(controller.stdout.readline())
        there = pool_there(own_host)
        controller.send_signal(signal.SIGSTOP)
        time.sleep(SILENCE + 15)
        controller.send_signal(signal.SIGCONT)
        controller.stdin.write(b"\n")
        controller.stdin.close()
        assert int(controller.stdout.readline()) == worker
    eventually(lambda: is_over(there, worker), "all to end")


@contextlib.contextmanager
def long_away(pool: hb.Controller, own_sshd: Sshd, own_host: Host) -> Iterator[Pool]:
    """While its connection is away, for so long that all behind it has ended."""
    worker = pool.submit(by_value(lambda: __import__("os").getpid())).result(60)
    there = pool_there(own_host)
    own_sshd.stop()
    try:
        eventually(lambda: is_over(there, worker), "all to end")
        yield pool_there(own_host)
    finally:
        own_sshd.start()


def test_nothing_stays_behind_a_connection_that_does_not_come_back(
    far: Callable[..., hb.Controller], own_sshd: Sshd, own_host: Host
) -> None:
    pool = far(workers=1, away=2)
    with long_away(pool, own_sshd, own_host):
        pass
    assert pool.submit(by_value(lambda: 5)).result(60) == 5, "it is all made again"


def test_a_pool_that_was_terminated_meanwhile_is_not_made_again(
    far: Callable[..., hb.Controller], own_sshd: Sshd, own_host: Host
) -> None:
    pool = far(workers=1, away=2)
    with long_away(pool, own_sshd, own_host) as there:
        assert there.terminate() == []
    with pytest.raises(hb.PoolClosed, match="ended by somebody else"):
        pool.submit(by_value(lambda: 5)).result(60)


def test_what_cannot_be_is_told(far: Callable[..., hb.Controller], tmp_path: Path) -> None:
    with pytest.raises(hb.ConfigError, match="'locl'"):
        far("locl").start()
    with pytest.raises(hb.SiteUnreachable):
        hb.Controller(site=hb.connect("ssh://127.0.0.1:9")).start()
    with pytest.raises(hb.UsageError, match="launches no workers"):
        hb.Controller(site=object()).start()
    with pytest.raises(hb.UsageError, match="exclude each other"):
        far(launcher="x").start()


@pytest.mark.slurm
def test_in_front_of_a_real_slurm(far: Callable[..., hb.Controller], own_host: Host) -> None:
    pool = far("slurm", 2, resources={"memory": "200MB", "walltime": "5m"})
    double = by_value(lambda x: 2 * x)
    assert pool.map(double, range(500), timeout=120) == [2 * x for x in range(500)]
    there = pool_there(own_host)
    pids = [int(each["pid"]) for each in pool.summary()]
    pool.terminate()
    eventually(lambda: is_over(there, *pids), "nothing is left, in the queue neither")
