"""Many workers, large values, and functions that behave badly."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import hpcbatch as hb
from tests.core import eventually
from tests.pool.conftest import is_alive

Make = Callable[..., hb.Controller]

MANY = 400


def resident() -> int:
    """Bytes of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def turned(content: bytes) -> bytes:
    return content[::-1]


def test_twenty_megabytes_travel_both_ways(make_pool: Make) -> None:
    content = os.urandom(1 << 20) * 20
    assert make_pool(workers=1).submit(turned, content).result(60) == content[::-1]


@pytest.mark.long
def test_a_hundred_megabytes_travel_both_ways(make_pool: Make) -> None:
    pool, content = make_pool(workers=2), os.urandom(1 << 20) * 100
    first, second = pool.submit(turned, content), pool.submit(turned, content)
    assert pool.submit(len, b"small").result(60) == 5
    assert first.result(120) == second.result(120) == content[::-1]


def test_functions_that_print_and_leak_much(make_pool: Make) -> None:
    def leaks_and_prints(n: int) -> int:
        import sys

        kept = sys.__dict__.setdefault("kept_by_test", [])
        kept.append(bytes(8 << 20))
        print("x" * (1 << 20))
        return n

    leaks_and_prints.__module__ = "__main__"
    pool = make_pool(workers=1, max_tasks=4)
    futures = [pool.submit(leaks_and_prints, n) for n in range(8)]
    assert [each.result(60) for each in futures] == list(range(8))
    logs = Path(pool._running.layout.logs)  # type: ignore[union-attr]
    assert sum(each.stat().st_size for each in logs.iterdir()) >= 8 << 20


def test_a_worker_leaves_by_itself_before_its_walltime(make_pool: Make) -> None:
    pool = make_pool(workers=1, walltime=2)
    pids = {pool.submit(os.getpid).result(60)}
    give_up = time.monotonic() + 60
    while len(pids) < 2 and time.monotonic() < give_up:
        pids.add(pool.submit(os.getpid).result(60))
        time.sleep(0.05)
    assert len(pids) == 2
    pool.push(time.sleep, 0.1, name="after")
    (row,) = pool.collect()
    assert row.status == "done"
    assert pool.crashes("after") == 0


def test_no_task_is_begun_that_a_walltime_would_cut(make_pool: Make, tmp_path: Path) -> None:
    def takes_a_second(n: int, begun: str) -> tuple[int, int]:
        import os
        import time

        with open(begun, "a") as file:
            file.write(f"{n}\n")
        time.sleep(1)
        return n, os.getpid()

    takes_a_second.__module__ = "__main__"
    begun = tmp_path / "begun"
    pool = make_pool(workers=1, walltime=2.5)
    futures = [pool.submit(takes_a_second, n, str(begun)) for n in range(5)]
    numbers, pids = zip(*[each.result(120) for each in futures], strict=True)
    assert numbers == tuple(range(5))
    assert len(set(pids)) >= 3, "a worker has time for two"
    assert sorted(begun.read_text().split()) == list("01234"), "none was cut and begun again"


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_hundreds_of_workers_come_work_and_go(make_pool: Make) -> None:
    before, began = resident(), time.monotonic()
    pool = make_pool(workers=MANY, heartbeat=10.0, seconds_launch=600)
    pool.start()
    while len(pool.summary()) < MANY and time.monotonic() - began < 600:
        time.sleep(0.5)
    came = time.monotonic() - began
    pids = [int(each["pid"]) for each in pool.summary()]
    assert len(pids) == MANY
    assert pool.map(abs, range(-5 * MANY, 0)) == list(range(5 * MANY, 0, -1))
    futures = [pool.submit(abs, -n) for n in range(MANY + 10)]
    assert [each.result(120) for each in futures] == list(range(MANY + 10))
    worked, grown = time.monotonic() - began - came, resident() - before
    pool.shutdown()
    eventually(lambda: not any(map(is_alive, pids)), "all to leave")
    print(f"came in {came:.1f} s, worked for {worked:.2f} s, {grown >> 20} MiB more")
    assert grown < 200 << 20
