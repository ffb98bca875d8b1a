"""What a server bears: clients that poll, submissions that pour in, and one large upload."""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from common import Row, below, use_fake_slurm

import hpcbatch as hb
from hpcbatch.sites.keys import GRANT, assertion, load_private
from hpcbatch.sites.rest.pinned import PinnedContext
from hpcbatch.sites.run_file import Run
from hpcbatch.words.server_layout import ServerLayout

TASKS, CLIENTS, SECONDS = 500, 200, 20.0
SUBMISSIONS, SUBMITTERS = 1000, 8
PART, PARTS = 4 << 20, 256  # bytes of an input, and inputs


def serving(work: Path) -> Iterator[Row]:
    use_fake_slurm(work / "bin")
    root = os.environ["HPCBATCH_ROOT"]
    for number in range(TASKS):
        hb.create(abs, [number], name=f"n{number}")
    run = hb.start_server(port=0)
    try:
        yield from _polled(run, root)
        yield from _submitted()
        yield from _uploaded(run)
    finally:
        hb.kill_server()


def _polled(run: Run, root: str) -> Iterator[Row]:
    key = load_private(ServerLayout(root).local_key, None)
    ids = [task.id for task in hb.tasks()]
    waits = asyncio.run(_poll_all(run, assertion(key, run.key, time.time()), ids))
    rate, ordered = len(waits) / SECONDS, sorted(waits)
    what = f"{CLIENTS} clients poll {len(ids)} tasks: requests a second"
    yield Row(what, f"{rate:,.0f}", f"median {statistics.median(waits) * 1000:.0f} ms, "
              f"p99 {ordered[int(len(ordered) * 0.99)] * 1000:.0f} ms")  # fmt: skip


async def _poll_all(run: Run, proof: str, ids: list[str]) -> list[float]:
    context, waits = PinnedContext(run.key), []
    context.wrap_bio = super(PinnedContext, context).wrap_bio  # type: ignore[method-assign]

    def client(**more: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=run.address, verify=context, timeout=120, **more)

    async with client() as http:
        form = {"grant_type": GRANT, "assertion": proof}
        token = (await http.post("/validate/token", data=form)).json()["access_token"]

    async def poll() -> None:
        async with client(headers={"Authorization": f"Bearer {token}"}) as http:
            await http.post("/validate/ping")  # connected
            ready.append(True)
            while len(ready) < CLIENTS:
                await asyncio.sleep(0.01)
            end = time.perf_counter() + SECONDS
            while (began := time.perf_counter()) < end:
                answer = await http.post("/task/status", json={"id": random.choice(ids)})
                answer.raise_for_status()
                waits.append(time.perf_counter() - began)

    ready: list[bool] = []
    await asyncio.gather(*(poll() for _ in range(CLIENTS)))
    return waits


def _submitted() -> Iterator[Row]:
    def some(count: int) -> None:
        site = hb.connect()
        for number in range(count):
            hb.create(abs, [number], site=site).submit("slurm")

    began = time.perf_counter()
    with ThreadPoolExecutor(SUBMITTERS) as pool:
        list(pool.map(some, [SUBMISSIONS // SUBMITTERS] * SUBMITTERS))
    took = time.perf_counter() - began
    what = f"{SUBMISSIONS:,} tasks uploaded and accepted by {SUBMITTERS} clients"
    yield below(what, took, 60, "s", f"{SUBMISSIONS / took:.0f} a second")


def _uploaded(run: Run) -> Iterator[Row]:
    before = _peak_megabytes(run.pid)
    began = time.perf_counter()
    hb.create(len, (os.urandom(16) * (PART // 16) for _ in range(PARTS)), site=hb.connect())
    took = time.perf_counter() - began
    more = _peak_megabytes(run.pid) - before
    what = f"memory of a server for an upload of {PART * PARTS >> 30} GB"
    yield below(what, more, 200, "MB", f"{took:.0f} s, {PART * PARTS / took / 1e6:.0f} MB/s")


def _peak_megabytes(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        return int(status.read().split("VmHWM:")[1].split()[0]) // 1024
