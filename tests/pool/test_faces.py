"""The same face for no workers at all, and for several pools."""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import Callable

import pytest

import hpcbatch as hb
from hpcbatch.pool.sent_functions import SentFunctions


def square(x: int, plus: int = 0) -> int:
    return x * x + plus


def test_a_sequential_controller_calls_at_once() -> None:
    with hb.SequentialController(seed=3) as pool:
        pool.push(square, 3, name="three")
        pool.push(square, "a")
        assert (pool.size, pool.unresolved, pool.resolved) == (2, 0, 2)
        done, failed = pool.collect()
        assert (done.name, done.result, done.status, done.worker) == ("three", 9, "done", "here")
        assert failed.status == "error"
        assert "TypeError" in str(failed.error)
        assert pool.map(square, range(5), const={"plus": 1}) == [1, 2, 5, 10, 17]
        with pytest.raises(TypeError):
            pool.map(square, [1, "a"])
        assert pool.submit(square, 4).result() == 16
        assert asyncio.run(_awaited(pool)) == 25
        assert pool.summary() == []
    with pytest.raises(hb.PoolClosed):
        pool.push(square, 2)


def test_constants_that_were_changed_are_sent_again() -> None:
    plus, weights = {"plus": 1}, {"plus": [1]}
    with hb.SequentialController() as pool:
        pool.push(square, 0, const=plus)
        plus["plus"] = 2
        pool.push(square, 0, const=plus)
        assert [row.result for row in pool.collect()] == [1, 2]
        assert pool.map(lambda x, plus: plus[0], [0], const=weights) == [1]
        weights["plus"][0] = 2
        assert pool.map(lambda x, plus: plus[0], [0], const=weights) == [2]
        weights["plus"][0] = 3
        pool.walk(lambda x, plus: plus[0], [0, 0], const=weights)
        assert [row.result for row in pool.collect()] == [3, 3]


def test_constants_of_maps_leave_nothing_behind() -> None:
    function, weights = SentFunctions(), {"plus": [0]}
    for number in range(3):
        weights["plus"][0] = number
        function.find(square, weights, afresh=True)
    assert not function._recent
    assert not function._by_pickle


def test_a_sequential_controller_takes_what_a_controller_takes() -> None:
    asked = {"resources": {"memory": "1GB"}, "crashes_max": 2, "idle": 60, "name": "debugged"}
    with hb.SequentialController("slurm", 20, **asked) as pool:
        assert pool.map(square, range(100)) == [n * n for n in range(100)]
        assert repr(pool) == "<SequentialController debugged: 20 workers, 0 unresolved>"
    with pytest.raises(hb.UsageError, match=r"resources=\{'memory'"):
        hb.SequentialController(memory="1GB")
    with pytest.raises(hb.UsageError, match="did you mean 'idle'"):
        hb.SequentialController(idel=3)


async def _awaited(pool: hb.Controller) -> int:
    return int(await pool.submit(square, 5))


def test_a_sequential_controller_notes_warnings() -> None:
    pool = hb.SequentialController()
    pool.push(lambda: warnings.warn("careful", stacklevel=1))
    (row,) = pool.collect()
    assert row.warnings == ("UserWarning: careful",)


class Interrupted:
    """What Ctrl-C in the middle of its first unpickling here would do."""

    opened = 0

    @classmethod
    def open(cls) -> str:
        Interrupted.opened += 1
        if Interrupted.opened == 1:
            raise KeyboardInterrupt
        return "opened"

    def __reduce__(self) -> tuple[Callable[[], str], tuple[()]]:
        return (Interrupted.open, ())


class Leaving:
    """Ends whoever unpickles it, as far as SystemExit does."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return (sys.exit, (3,))


def test_a_result_that_exits_here_hides_no_other() -> None:
    pool = hb.SequentialController()
    pool.push(Leaving)
    pool.push(square, 3)
    exits, done = pool.collect()
    assert (exits.status, done.result) == ("error", 9)
    assert "cannot be unpickled: SystemExit(3)" in str(exits.error)
    with pytest.raises(SystemExit):
        pool.submit(Leaving).result()


def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_call_that_is_interrupted_here_is_canceled() -> None:
    pool = hb.SequentialController()
    with pytest.raises(KeyboardInterrupt):
        pool.push(interrupt)
    assert [row.status for row in pool.collect()] == ["canceled"]


def test_what_a_closed_pool_refuses_is_waited_for_by_nobody() -> None:
    pool = hb.SequentialController()
    pool.push(square, 3)
    pool.shutdown()
    with pytest.raises(hb.PoolClosed):
        pool.push(square, 4)
    assert pool.wait("all", timeout=60)
    assert [row.result for row in pool.collect()] == [9]


def test_a_future_that_is_interrupted_keeps_its_value() -> None:
    Interrupted.opened = 0
    future = hb.SequentialController().submit(Interrupted)
    with pytest.raises(KeyboardInterrupt):
        future.result()
    assert future.result() == "opened"


def test_a_collect_that_is_interrupted_loses_no_row() -> None:
    Interrupted.opened = 0
    pool = hb.SequentialController()
    pool.push(square, 2)
    pool.push(Interrupted)
    pool.push(square, 3)
    with pytest.raises(KeyboardInterrupt):
        pool.collect()
    assert (pool.size, pool.resolved) == (3, 3)
    assert [row.result for row in pool.collect()] == [4, "opened", 9]
    assert (pool.size, pool.pop()) == (0, None)


def test_a_group_has_one_face(make_pool: Callable[..., hb.Controller]) -> None:
    group = hb.ControllerGroup(make_pool(workers=1, name="a"), hb.SequentialController(name="b"))
    with group:
        group.push(square, 3, controller="a")
        assert group.wait("one", timeout=60)
        row = group.pop()
        assert row is not None
        assert (row.result, row.controller) == (9, "a")
        group.push(square, 4, controller="b")
        group.walk(square, range(3), controller="a")
        assert group.wait(timeout=60)
        assert sorted(row.result for row in group.collect()) == [0, 1, 4, 16]
        assert group.map(square, range(3)) == [0, 1, 4]
        assert group.submit(square, 5).result(60) == 25
        summary = group.summary()
        assert [each["controller"] for each in summary] == ["a"]
        assert summary.launches["a"]["arrived"] == 1
        assert summary.launches["b"] == {}
        assert group.wait("one"), "no task is left to wait for"
        with pytest.raises(hb.UsageError, match="it is one of all, one"):
            group.wait("any")
        with pytest.raises(hb.UsageError, match="no controller 'c'"):
            group.push(square, 1, controller="c")


def test_a_group_needs_names() -> None:
    with pytest.raises(hb.UsageError, match="names of their own"):
        hb.ControllerGroup(hb.SequentialController(), hb.SequentialController())
