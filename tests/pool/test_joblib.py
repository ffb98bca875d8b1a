"""joblib's parallel calls on a pool."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy
import pytest

import hpcbatch as hb
from hpcbatch.pool.sharing import LARGE, Sharing, size_of

from ..core import eventually


@pytest.fixture(scope="module")
def pool(shared: hb.Controller) -> hb.Controller:
    hb.register_joblib()
    return shared


@pytest.fixture
def on_pool(pool: hb.Controller) -> Iterator[Any]:
    with joblib.parallel_config("hpcbatch", controller=pool) as config:
        yield config["backend"]


def run(function: Callable[..., Any], inputs: Any, **options: Any) -> Any:
    return joblib.Parallel(**options)(joblib.delayed(function)(x) for x in inputs)


def test_calls_run_on_all_workers_in_batches(pool: hb.Controller, on_pool: Any) -> None:
    assert joblib.effective_n_jobs(-1) == joblib.effective_n_jobs(99) == pool.workers == 2
    places = run(lambda x: (x, os.getpid()), range(3000))
    assert [x for x, _ in places] == list(range(3000))
    assert {pid for _, pid in places} <= {each["pid"] for each in pool.summary()}
    assert on_pool.compute_batch_size() > 1
    assert run(lambda x: os.getpid(), range(2), n_jobs=1) == [os.getpid()] * 2
    with pytest.raises(ValueError, match="no meaning"):
        run(abs, range(2), n_jobs=0)


def test_parallel_calls_in_a_call_run_there_in_turn(on_pool: Any) -> None:
    def outer(x: int) -> Any:
        inner = joblib.Parallel(n_jobs=4)(joblib.delayed(os.getpid)() for _ in range(4))
        return set(inner) == {os.getpid()}

    assert run(outer, range(3)) == [True] * 3


def test_a_failure_is_raised_and_cancels_what_waits(
    pool: hb.Controller, on_pool: Any, tmp_path: Path
) -> None:
    def fail(x: int) -> int:
        (tmp_path / str(x)).touch()
        raise KeyError(f"no {x}")

    with pytest.raises(KeyError, match=r"no [0-9]+"):
        run(fail, range(500), batch_size=1, pre_dispatch="all")
    eventually(lambda: not on_pool._waiting, "nothing to be left")
    assert len(os.listdir(tmp_path)) < 500
    assert run(abs, [-1, -2]) == [1, 2]


def test_what_cannot_be_pickled_is_raised_also_from_a_later_batch(on_pool: Any) -> None:
    inputs: list[Any] = [1.0] * 20 + [threading.Lock()]
    with pytest.raises(hb.InputError, match="cannot be pickled"):
        run(repr, inputs, batch_size=1, pre_dispatch=2)


def test_a_generator_yields_as_results_come_and_can_use_the_pool(
    pool: hb.Controller, on_pool: Any, tmp_path: Path
) -> None:
    def inputs() -> Iterator[int]:
        for x in range(20):
            yield pool.submit(abs, -x).result(60)  # from the thread that takes the results

    assert list(run(abs, inputs(), return_as="generator", pre_dispatch=2)) == list(range(20))
    gate = tmp_path / "gate"

    def wait(x: int) -> int:
        while x and not gate.exists():
            threading.Event().wait(0.01)
        return x

    results = run(wait, [0, 1, 0], return_as="generator_unordered", batch_size=1)
    assert next(results) == 0
    gate.touch()
    assert sorted(results) == [0, 1]


def test_a_large_argument_is_sent_to_each_worker_once(
    pool: hb.Controller, on_pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, small = numpy.arange(LARGE), numpy.arange(3)
    sizes: list[int] = []
    submit = hb.Controller.submit

    def counted(self: Any, fn: Any, /, *args: Any) -> Any:
        future = submit(self, fn, *args)
        task = future._task
        sizes.append(sum(part.nbytes for part in task.parts) + len(task.payload))
        return future

    monkeypatch.setattr(hb.Controller, "submit", counted)

    def total(x: int, many: Any, few: Any) -> Any:
        return x + int(many.sum()) + int(few.sum()), many.flags.writeable

    calls = (joblib.delayed(total)(x, large, few=small) for x in range(10))
    told = joblib.Parallel(batch_size=1)(calls)
    assert [value for value, _ in told] == [x + int(large.sum()) + 3 for x in range(10)]
    assert [writeable for _, writeable in told] == [True] + [False] * 9  # what is shared
    assert [size > large.nbytes for size in sizes] == [True] + [False] * 9
    assert large.flags.writeable


def test_arguments_that_are_never_met_again_are_not_kept() -> None:
    class Batch:
        def __init__(self, *arguments: Any):
            self.items = [(abs, arguments, {})]

    sharing = Sharing()
    for _ in range(3):
        assert sharing.split(Batch(numpy.zeros(LARGE))) is None
    kept = bytes(LARGE)
    assert size_of(kept) > LARGE
    assert sharing.split(Batch(kept)) is sharing.split(Batch(kept)) is None
    arrays = [numpy.zeros(LARGE) for _ in range(30)]
    found = [sharing.split(Batch(array)) for array in arrays * 2]
    assert [each is None for each in found] == [True] * 30 + [False] * 16 + [True] * 14
    assert found[30] is not None
    call, left, places = found[30]
    assert (left.items, places) == ([(abs, [None], {})], [(0, 0, 0)])
    assert call is not None


def test_a_pool_of_its_own_lives_as_long_as_its_backend(own_registry: Path) -> None:
    hb.register_joblib("own", workers=1, heartbeat=0.5)
    with joblib.parallel_config("own", name="from joblib") as config:
        first = run(lambda x: os.getpid(), range(2))
        assert set(run(lambda x: os.getpid(), range(2))) == set(first) != {os.getpid()}
    (own,) = hb.pools()
    assert (own.record.name, own.state) == ("from joblib", "open")
    del config
    eventually(lambda: hb.pools()[0].state == "closed")


def test_what_is_wrong_is_told(pool: hb.Controller) -> None:
    with pytest.raises(hb.UsageError, match=r"is no hpcbatch\.Controller"):
        joblib.parallel_config("hpcbatch", controller="slurm")
    with pytest.raises(hb.UsageError, match="which has its workers already"):
        joblib.parallel_config("hpcbatch", controller=pool, workers=3)
    with pytest.raises(hb.UsageError, match="no setting 'wokers'"):
        joblib.parallel_config("hpcbatch", wokers=3)
