"""Pools of two workers on this machine beside peers' and a bare ZeroMQ loop; and one on Slurm."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from common import Peer, Row, below, faster, in_turn, output, seconds, shown, square, within
from slurm import is_here

import hpcbatch as hb

CALLS, BATCH, TRIPS = 10_000, 64, 1000
AHEAD = 16  # messages that a worker of the bare loop has before it at a time
QUEUED = 50_000
PEERS = (  # their name, how many times longer they need at least, calls: fewer where they are slow
    ("dask", "dask.distributed", 20, 2000),
    ("parsl", "parsl HTEX", 20, 2000),
    ("executorlib", "executorlib", 8, CALLS),
)
EXPECTED = [i * i for i in range(CALLS)]

FIRST = """
import time
import hpcbatch as hb
began = time.perf_counter()
with hb.Controller(cluster="local", workers=2) as pool:
    value = pool.submit(pow, 3, 2).result(timeout=60)
    print(time.perf_counter() - began)
"""
IN_MEMORY = """
import sys, time
import hpcbatch as hb
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
pool = hb.Controller(cluster="local", workers=1)
pool.submit(time.sleep, 600)
[add] = [getattr(pool, name) for name in sys.argv[1:2]]
kept = [add(pow, i, 2) for i in range(1000)]
before = resident()
kept += [add(pow, i, 2) for i in range({queued})]
print((resident() - before) / 1e6 / ({queued} / 10_000))
pool.terminate()
"""


def pools(work: Path) -> Iterator[Row]:
    with hb.Controller(cluster="local", workers=2) as pool:
        pool.submit(square, 3).result(timeout=60)
        yield from _one_by_one(pool)
        yield from _mapped(pool)
        yield from _round_trip(pool)
        yield from _memory_of_a_worker(pool)
    [first] = in_turn(lambda: float(output([sys.executable, "-c", FIRST])), runs=5)
    what = "a pool's first result after its controller's creation"
    yield below(what, statistics.median(first), 0.6, "s")
    for how in ("push", "submit"):
        argv = [sys.executable, "-c", IN_MEMORY.format(queued=QUEUED), how]
        what = f"memory of a controller for 10,000 tasks queued by {how}"
        yield below(what, float(output(argv)), 15, "MB")
    yield from _on_slurm(work)


def _one_by_one(pool: hb.Controller) -> Iterator[Row]:
    def submitted(calls: int = CALLS) -> float:
        return seconds(lambda: _submit(pool, calls))

    def pushed() -> float:
        return seconds(lambda: _push(pool))

    for name, told, least, calls in PEERS:
        with Peer("pool.py", name, calls) as peer:
            ours, theirs = in_turn(partial(submitted, calls), peer.seconds, runs=5)
        yield faster(f"{calls:,} calls by submit, two workers", ours, theirs, told, least)
    with (
        Peer("bare_zeromq.py", CALLS, 1, AHEAD) as bare,
        Peer("bare_zeromq.py", CALLS, 1, CALLS) as flood,
    ):
        by_submit, by_push, floor, flooded = in_turn(submitted, pushed, bare.seconds, flood.seconds)
    for how, ours in (("submit", by_submit), ("push", by_push)):
        what = f"{CALLS:,} calls by {how}, two workers"
        yield within(what, ours, floor, "bare ZeroMQ", 1)
        yield faster(what, ours, flooded, "all sent at once:")._replace(times=None)


def _submit(pool: hb.Controller, calls: int) -> None:
    futures = [pool.submit(square, i) for i in range(calls)]
    _check([future.result(timeout=60) for future in futures], calls)


def _push(pool: hb.Controller) -> None:
    for i in range(CALLS):
        pool.push(square, i)
    _check(sorted(row.result for row in pool.collect()))


def _mapped(pool: hb.Controller) -> Iterator[Row]:
    def ours() -> float:
        return seconds(lambda: _check(pool.map(square, range(CALLS))))

    with Peer("bare_zeromq.py", CALLS, BATCH, CALLS) as bare:
        mine, floor = in_turn(ours, bare.seconds)
    what = f"{CALLS:,} calls by map, two workers"
    yield within(what, mine, floor, f"bare ZeroMQ, batches of {BATCH},", 4)


def _round_trip(pool: hb.Controller) -> Iterator[Row]:
    def trips() -> float:
        taken = []
        for i in range(TRIPS):
            taken.append(seconds(lambda: pool.submit(square, i).result(timeout=60)))  # noqa: B023
        return statistics.median(taken)

    with Peer("bare_zeromq.py", 1, 1, 1) as bare:
        ours, floor = in_turn(trips, bare.seconds)
    yield within("round trip of one call, p50", ours, floor, "bare ZeroMQ ping", 3)


def _memory_of_a_worker(pool: hb.Controller) -> Iterator[Row]:
    bare = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); open(0).read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert bare.stdout is not None
    bare.stdout.readline()
    plain = _resident_megabytes(bare.pid)
    bare.communicate()
    most = max(_resident_megabytes(int(worker["pid"])) for worker in pool.summary())
    what = "memory of a worker that has done all this, over bare Python"
    yield below(what, most - plain, 30, "MB", f"bare Python {plain:.0f} MB")


def _resident_megabytes(pid: int) -> float:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _on_slurm(work: Path) -> Iterator[Row]:
    what = "from push to first result on an idle Slurm"
    if not is_here():
        yield Row(what, "skipped: none answers here (tests/clusters/slurm.sh start)")
        return

    def ours() -> float:
        pool = hb.Controller(cluster="slurm", workers=1)
        began = time.perf_counter()
        pool.push(square, 3)
        pool.wait("one", timeout=120)
        took = time.perf_counter() - began
        pool.shutdown()
        return took

    def theirs() -> float:
        argv = ["sbatch", "--wait", "-o", str(work / "trivial.log"), "--wrap", "true"]
        return seconds(lambda: output(argv))

    mine, waited = in_turn(ours, theirs, runs=5)
    most = statistics.median(waited) + 1
    yield below(what, statistics.median(mine), most, "s", f"sbatch --wait {shown(waited)}")


def _check(values: list[int], calls: int = CALLS) -> None:
    if values != EXPECTED[:calls]:
        raise SystemExit("the results are wrong")
