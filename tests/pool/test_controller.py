"""What a user does with a pool of two workers on this machine."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import random
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hpcbatch as hb
from hpcbatch.pool.rows import Row
from tests.core import eventually


def square(x: int, plus: int = 0) -> int:
    return x * x + plus


def leave() -> None:
    os._exit(3)


class Stubborn(Exception):
    """Its pickle cannot be loaded."""

    def __init__(self, one: int, two: int):
        super().__init__("stubborn")


class Refusing:
    def __reduce__(self) -> Any:
        raise TypeError("not me")


@pytest.fixture
def pool(shared: hb.Controller) -> Iterator[hb.Controller]:
    yield shared
    assert shared.unresolved == 0
    shared.collect()


def test_a_push_becomes_a_row(pool: hb.Controller) -> None:
    assert pool.push(square, 3, name="three") == "three"
    assert pool.wait("all", timeout=30)
    row = pool.pop()
    assert row is not None
    assert (row.name, row.command, row.result, row.status) == ("three", "square(3)", 9, "done")
    assert (row.error, row.code, row.trace, row.warnings) == (None, 0, None, ())
    assert row.seconds >= 0
    assert row.controller == "local"
    assert row.worker in {each["worker"] for each in pool.summary()}
    assert pool.pop() is None


def test_rows_have_the_same_columns_whatever_happens(pool: hb.Controller) -> None:
    pool.push(square, "a", name="error")
    pool.push(leave, name="crash")
    pool.push(square, 2, plus=1, name="done")
    rows = {row.name: row for row in pool.collect()}
    assert {name: row.status for name, row in rows.items()} == {n: n for n in rows}
    assert all(row._fields == Row._fields for row in rows.values())
    assert rows["done"].result == 5
    assert "TypeError" in str(rows["error"].error)
    assert "can't multiply" in str(rows["error"].trace)
    assert "its worker was lost" in str(rows["crash"].error)


def test_a_poisoned_task_does_not_take_others_down(pool: hb.Controller) -> None:
    futures = [pool.submit(leave if n == 40 else square, *[n] * (n != 40)) for n in range(80)]
    for n, future in enumerate(futures):
        if n == 40:
            with pytest.raises(hb.WorkerLost, match="hpcbatch pool logs"):
                future.result(60)
        else:
            assert future.result(60) == n * n


def test_map_keeps_the_order_and_finds_what_fails(pool: hb.Controller) -> None:
    assert pool.map(square, range(1000)) == [n * n for n in range(1000)]
    assert pool.map(square, [1, 2], [3, 4]) == [4, 8]
    assert pool.map(square, []) == []
    assert pool.map(square, [1, 2], const={"plus": 1}) == [2, 5]
    with pytest.raises(TypeError):
        pool.map(square, [1, "a", 3])
    assert pool.map(square, [1, "a", 3], on_error="skip") == [1, 9]
    one, error, three = pool.map(square, [1, "a", 3], on_error="return")
    assert (one, type(error), three) == (1, TypeError, 9)
    with pytest.raises(hb.UsageError, match="on_error"):
        pool.map(square, [1], on_error="ignore")


def test_a_map_that_takes_too_long_is_given_up(pool: hb.Controller) -> None:
    with pytest.raises(hb.WaitTimeout, match=r"0 of 1 items .* given up: .* longer timeout"):
        pool.map(time.sleep, [0.5], timeout=0.05)


def test_map_finds_the_item_that_ends_its_worker(pool: hb.Controller) -> None:
    def dies_of(x: int) -> int:
        return os._exit(1) if x == 70 else x  # type: ignore[func-returns-value]

    values = pool.map(dies_of, range(100), on_error="return")
    assert isinstance(values.pop(70), hb.WorkerLost)
    assert values == [x for x in range(100) if x != 70]


def test_walk_pushes_one_for_each(pool: hb.Controller) -> None:
    names = pool.walk(square, range(5), const={"plus": 1})
    rows = pool.collect()
    assert sorted(row.name for row in rows) == sorted(names)
    assert sorted(row.result for row in rows) == [1, 2, 5, 10, 17]


def test_it_is_an_executor(pool: hb.Controller) -> None:
    futures = [pool.submit(square, n, plus=1) for n in range(20)]
    done, pending = concurrent.futures.wait(futures, timeout=60)
    assert not pending
    assert sorted(f.result() for f in done) == sorted(n * n + 1 for n in range(20))
    assert all(f.exception() is None for f in concurrent.futures.as_completed(futures))
    called: list[Any] = []
    failing = pool.submit(square, "a")
    failing.add_done_callback(called.append)
    with pytest.raises(TypeError, match="multiply"):
        failing.result(60)
    late = pool.submit(square, 2)
    late.result(60)
    late.add_done_callback(called.append)
    assert called == [failing, late]


def test_futures_can_be_awaited(pool: hb.Controller) -> None:
    async def main() -> tuple[Any, list[Any]]:
        first = await pool.submit(square, 3)
        return first, await asyncio.gather(*(pool.submit(square, n) for n in range(10)))

    assert asyncio.run(main()) == (9, [n * n for n in range(10)])


def test_exceptions_and_results_that_do_not_travel(pool: hb.Controller) -> None:
    def raises() -> None:
        raise Stubborn(1, 2)

    with pytest.raises(hb.RemoteError, match="Stubborn: stubborn"):
        pool.submit(raises).result(60)
    with pytest.raises(TypeError, match=r"Refusing.*cannot be pickled"):
        pool.submit(Refusing).result(60)
    with pytest.raises(hb.InputError, match="arguments of square"):
        pool.submit(square, Refusing())
    with pytest.raises(hb.InputError, match="item 9 of the map cannot be pickled: not me"):
        pool.map(square, [*range(9), Refusing()])
    with pytest.raises(hb.InputError, match="item 1: the arguments of square"):
        pool.walk(square, [1, Refusing()])
    assert [row.result for row in pool.collect()] == [1]
    with pytest.raises(hb.InputError, match=r"^3 cannot be called"):
        pool.walk(3, [1])  # type: ignore[arg-type]
    with pytest.raises(hb.InputError, match="cannot be called"):
        pool.push(3)  # type: ignore[arg-type]
    assert pool.map(lambda n: Refusing() if n else n, [0, 1], on_error="skip") == [0]
    with pytest.raises(ZeroDivisionError) as raised:
        pool.map(lambda n: 1 / (n - 7), range(10))
    assert raised.value.__notes__ == ["item 7 of the map"]


def test_warnings_and_prints_of_a_task(pool: hb.Controller) -> None:
    def warns() -> str:
        warnings.warn("careful", stacklevel=1)
        print("said by a task")
        return "ok"

    pool.push(warns)
    (row,) = pool.collect()
    assert row.result == "ok"
    assert len(row.warnings) == 1
    assert "UserWarning: careful" in row.warnings[0]
    logs = Path(pool._running.layout.logs)  # type: ignore[union-attr]
    assert any("said by a task" in log.read_text() for log in logs.iterdir())


def test_a_line_of_a_task_that_runs_is_in_the_log(pool: hb.Controller, tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    def waits() -> None:
        print("still at it")
        while not gate.exists():
            time.sleep(0.05)

    future = pool.submit(waits)
    logs = Path(pool._running.layout.logs)  # type: ignore[union-attr]
    try:
        eventually(lambda: any("still at it" in log.read_text() for log in logs.iterdir()))
        assert not future.done()
    finally:
        gate.touch()
    future.result(60)


def test_random_numbers_come_from_the_seed_of_the_row(pool: hb.Controller) -> None:
    def draw() -> float:
        return random.random()

    for seed in (None, 5, 5):
        pool.push(draw, seed=seed)
    rows = pool.collect()
    for row in rows:
        assert row.result == random.Random(row.seed).random()
    assert sum(row.seed == 5 for row in rows) == 2


def test_items_of_maps_have_seeds_of_their_own(make_pool: Callable[..., hb.Controller]) -> None:
    def draw(_: int) -> float:
        return random.random()

    one, other = (make_pool(workers=1, seed=7) for _ in range(2))
    drawn = one.map(draw, range(3)) + one.map(draw, range(2))
    assert len(set(drawn)) == 5
    other.walk(draw, range(4))
    first = other.map(draw, range(3))
    other.push(draw, 0)
    assert first + other.map(draw, range(2)) == drawn


def test_large_values_travel_both_ways(pool: hb.Controller) -> None:
    given = np.arange(400_000.0)
    text = "x" * (3 << 20)
    assert (pool.submit(lambda a: a + 1, given).result(60) == given + 1).all()
    assert pool.submit(lambda t: t + "y", text).result(60) == text + "y"
    assert pool.map(len, [text, text, "a"]) == [len(text), len(text), 1]
    assert pool.submit(square, 3, plus=1 << (9 << 20)).result(60) == 9 + (1 << (9 << 20))
    assert pool.submit(lambda k=given: float(k[-1])).result(60) == 399_999.0


def test_cancel_gives_up_what_is_not_resolved(pool: hb.Controller) -> None:
    def sleep(seconds: float) -> None:
        import time

        time.sleep(seconds)

    names = [pool.push(sleep, 0.3, name=f"s{n}") for n in range(4)]
    waiting = pool.submit(square, 2)
    assert waiting.cancel()
    assert waiting.cancelled()
    assert set(pool.cancel(names)) <= set(names)
    assert {row.status for row in pool.collect()} <= {"canceled", "done"}
    assert pool.submit(square, 5).result(60) == 25


def test_a_task_leaves_nothing_to_the_next(pool: hb.Controller) -> None:
    def count() -> int:
        global counter
        counter = globals().get("counter", 0) + 1  # type: ignore[name-defined]
        return int(counter)

    count.__globals__.pop("counter", None)
    count.__module__ = "__main__"
    assert [pool.submit(count).result(60) for _ in range(4)] == [1, 1, 1, 1]


def test_counts(pool: hb.Controller) -> None:
    before = pool.resolved
    pool.push(square, 2)
    assert pool.size == 1
    pool.wait()
    assert (pool.size, pool.unresolved, pool.resolved, pool.saturated) == (1, 0, before + 1, False)
    for name in ("a", "b", "c"):
        pool.push_backlog(name)
    assert pool.pop_backlog() == ["a", "b"]
    assert pool.pop_backlog() == ["c"]


def test_a_fork_may_not_use_it(pool: hb.Controller) -> None:
    reading, writing = os.pipe()
    waiting = pool.submit(time.sleep, 2.0)
    pid = os.fork()
    if pid == 0:
        for use in (lambda: pool.submit(square, 2), lambda: waiting.result(60), pool.cancel):
            try:
                use()
            except hb.PoolClosed as error:
                os.write(writing, str(error).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reading, 1000).count(b"forked") == 3
    assert pool.submit(square, 4).result(60) == 16
    assert waiting.result(60) is None


def test_settings_are_checked() -> None:
    with pytest.raises(hb.UsageError, match=r"walltme.*did you mean 'walltime'"):
        hb.Controller(walltme="2h")
    with pytest.raises(hb.UsageError, match="memory is a resource: write resources="):
        hb.Controller(memory="2GB")
    with pytest.raises(hb.UsageError, match="at least one"):
        hb.Controller(workers=0)
    with pytest.raises(hb.UsageError, match="workers='two' is no whole number"):
        hb.Controller(workers="two")  # type: ignore[arg-type]
    for wrong in (
        {"idle": "soon"}, {"max_tasks": 0}, {"max_tasks": -1}, {"max_tasks": "3"}, {"port": 99999},
        {"port": "7033"}, {"heartbeat": 0}, {"heartbeat": -5}, {"heartbeat": "x"}, {"seed": 1.5},
        {"seconds_launch": "soon"}, {"resources": "4GB"}, {"reset_globals": 1}, {"host": 5},
        {"options_metrics": "csv"}, {"crashes_max": -1}, {"backup": "x"},
    ):  # fmt: skip
        [name] = wrong
        with pytest.raises(hb.UsageError, match=name):
            hb.Controller(**wrong)
    assert hb.Controller(seconds_launch="1m", resources=None).settings.seconds_launch == 60
