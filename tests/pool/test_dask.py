"""A Dask cluster on the launchers of pools. Each of its workers costs a second: few are started."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import pytest
from distributed import Client

import hpcbatch as hb
from hpcbatch.disk.process_tree import Process, marked
from hpcbatch.pool import launching
from hpcbatch.pool.local_workers import POOL

from ..cluster.conftest import engine, use_fake
from ..conftest import why_absent
from ..core import eventually

REAL = [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("slurm", "sge")]


@pytest.fixture(autouse=True)
def quickly() -> Iterator[None]:
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}):
        yield


def processes() -> list[Process]:
    (pool,) = hb.pools()
    return list(marked({POOL: pool.id}))


def test_workers_start_leave_and_are_replaced(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "hpcbatch.pool")
    with hb.DaskCluster(workers=2, nanny=False, resources={"memory": "1GB"}) as cluster:
        with Client(cluster) as client:
            cluster.wait_for_workers(2, timeout=60)
            assert client.gather(client.map(abs, range(-9, 0))) == list(range(9, 0, -1))
            # not client.scheduler_info(), which a look at the totals may empty meanwhile
            there = list(cluster.scheduler.workers.values())
            assert {(each.name, each.nthreads) for each in there} == {("1-0", 1), ("1-1", 1)}
            assert {each.memory_limit for each in there} == {1 << 30}
            (pool,) = hb.pools()
            _check_files(pool)
            _check_strangers(cluster)
            cluster.scale(1)
            eventually(lambda: len(pool.workers()) == 1)
            (left,) = pool.workers()
            assert left.pid is not None
            os.kill(left.pid, 9)
            eventually(lambda: cluster.observed == {"2-0"})
            assert client.submit(abs, -3).result(timeout=60) == 3
        assert caplog.text.count("is lost") == 1
        assert f"Dask worker 1-{left.element} at tls://127.0.0.1:" in caplog.text
        assert (cluster.launches["launched"], cluster.launches["lost"]) == (3, 0)
    eventually(lambda: not processes())
    assert hb.pools()[0].state == "closed"


def _check_files(pool: Any) -> None:
    """One array, and nobody else can read the keys."""
    assert len(list(Path(pool.layout.launches).iterdir())) == 1
    files = [path for path in Path(pool.layout.folder).rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o077 for path in files} == {0}
    key = json.loads(Path(pool.layout.door).read_text())["key"]
    assert "PRIVATE KEY" in key
    secret = key.splitlines()[1]
    holders = [path.name for path in files if secret in path.read_text()]
    assert holders == ["door.json"]


def _check_strangers(cluster: Any) -> None:
    async def knock() -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        port = cluster.scheduler.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        try:
            assert await reader.read(1) == b""
        finally:
            writer.close()

    with pytest.raises(OSError, match=r"(?i)certificate required|reset"):
        asyncio.run(knock())


def test_what_is_wrong_is_told_at_once() -> None:
    with pytest.raises(hb.UsageError, match="no setting 'idle'"):
        hb.DaskCluster(idle=3)
    with pytest.raises(
        hb.UsageError, match=r"'n_workers'; did you mean 'workers'\? \(known: .*clu"
    ):
        hb.DaskCluster(n_workers=2)
    with pytest.raises(hb.UsageError, match="none or more"):
        hb.DaskCluster(workers=-1)
    with pytest.raises(hb.ConfigError, match="unknown cluster"):
        hb.DaskCluster("no-such-cluster")
    assert hb.pools() == []


def test_without_a_dashboard_nothing_is_served_and_adapt_knows_its_names() -> None:
    with hb.DaskCluster() as cluster:
        assert cluster.dashboard_link == ""
        assert cluster.scheduler.services == {}
        for name, meant in (("minimum_jobs", "minimum"), ("maximun", "maximum")):
            with pytest.raises(hb.UsageError, match=f"no '{name}'; did you mean '{meant}'"):
                cluster.adapt(**{name: 1})
        cluster.adapt(minimum=0, maximum_cores=4, interval="1h")
    with hb.DaskCluster(dashboard_address="127.0.0.1:0") as cluster:
        assert "/status" in cluster.dashboard_link


def test_a_cluster_that_cannot_launch_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def launch_workers(self, call: Any, n: int) -> None:
            raise hb.LaunchError(f"no room for {n} of {call.name}")

    monkeypatch.setattr(launching, "GATHER", 0.0)
    with hb.DaskCluster(launcher=Refusing, workers=2) as cluster:
        eventually(lambda: "no room for 2 of" in cluster.launches["why"])
        assert cluster.launches["launching"] == 0


@pytest.mark.parametrize("name", REAL)
def test_workers_of_a_real_cluster(name: str) -> None:
    # Dask pauses a worker that has more than its share of what a cluster gives by default
    made = hb.DaskCluster(name, workers=1, nanny=False, resources={"memory": "500MB"})
    with made as cluster, Client(cluster) as client:
        task = client.submit(os.getenv, POOL)
        (pool,) = hb.pools()
        assert task.result(timeout=120) == pool.id
        (worker,) = pool.workers()
        assert worker.array
    eventually(lambda: not pool.workers())


@pytest.mark.long
def test_many_start_as_one_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = bool(why_absent("slurm"))
    if fake:
        use_fake("slurm", tmp_path / "state", monkeypatch)
    with hb.DaskCluster("slurm", nanny=False) as cluster:
        for n in (1, 3, 2):
            cluster.scale(n)
        cluster.wait_for_workers(2, timeout=120)
        (pool,) = hb.pools()
        assert len({worker.array for worker in pool.workers()}) == 1
        assert cluster.launches["launched"] == 2
    eventually(lambda: not pool.workers())
    if fake:
        engine.end_all(tmp_path / "state")


@pytest.mark.long
def test_it_adapts_to_what_waits() -> None:
    with hb.DaskCluster(nanny=False) as cluster, Client(cluster) as client:
        cluster.adapt(minimum=0, maximum=2, interval="100ms", wait_count=2)
        assert cluster.observed == set()
        assert client.submit(abs, -1).result(timeout=60) == 1
        eventually(lambda: not cluster.observed)
        eventually(lambda: not processes())
        assert client.submit(abs, -2).result(timeout=60) == 2


@pytest.mark.long
def test_a_nanny_brings_its_worker_back(caplog: pytest.LogCaptureFixture) -> None:
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "60s"}),
        hb.DaskCluster(workers=1) as cluster,
        Client(cluster) as client,
    ):
        first = client.submit(os.getpid, pure=False).result(timeout=60)
        os.kill(first, 9)
        second = client.submit(os.getpid, pure=False).result(timeout=60)
        assert first != second
        assert cluster.launches["launched"] == 1
    assert "is lost" not in caplog.text
    eventually(lambda: not processes())


@pytest.mark.long
def test_it_can_be_awaited() -> None:
    async def use() -> Any:
        async with hb.DaskCluster(workers=1, nanny=False, asynchronous=True) as cluster:  # noqa: SIM117
            async with Client(cluster, asynchronous=True) as client:
                return await client.submit(abs, -4)

    assert asyncio.run(use()) == 4
    eventually(lambda: not processes())
