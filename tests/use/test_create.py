"""What can become a task, and what is refused with a reason that helps."""

from __future__ import annotations

import functools
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hpcbatch as hb
from hpcbatch.disk.packed import PackedReader
from hpcbatch.use.inputs import grid, pack_inputs
from hpcbatch.use.pickling import dumps
from hpcbatch.words.errors import HpcbatchError, InputError, NotFound
from tests.core import ROOT, Case, everyone, run_python


def add(x: Any, y: Any = 0) -> Any:
    return x + y


@functools.lru_cache
def cached(x: int) -> int:
    return x + 1


def ran(function: Callable[..., Any], *inputs: Any, **more: Any) -> list[Any]:
    """Create, run in one element, and collect as a user does."""
    case = Case.of(function, *inputs, **more)
    case.submit()
    assert case.run() == 0, case.log()
    return case.task.collect()


def stored(task: hb.Task) -> list[Any]:
    import pickle

    reader = PackedReader(f"{task.folder}/inputs.rec")
    rows = [pickle.loads(payload) for _, payload in reader.read(everyone(len(task)))]
    reader.close()
    return rows


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(), st.text() | st.binary() | st.none())), st.integers(1, 7))
def test_inputs_are_stored_row_by_row(rows: list[tuple[Any, ...]], block: int) -> None:
    import pickle

    from hpcbatch.use import inputs

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "FEW", block)
        patch.setattr(inputs, "MANY", block)
        columns = tuple(zip(*rows, strict=True)) or ((), ())
        blocks = list(pack_inputs((columns[0],), {"y": iter(columns[1])}))
    assert [pickle.loads(payload) for block in blocks for payload in block] == rows
    assert all(len(one) <= block for one in blocks)


@pytest.mark.parametrize(
    "large",
    ["x" * 65_535, "x" * 65_536, b"x" * 200_000, 1 << 800_000],
    ids=["in a frame", "beside one", "bytes", "number"],
)
def test_inputs_may_be_large_and_the_same(large: Any) -> None:
    import pickle

    rows = [("a", large), ("a", 1), (large, large), ("a", "a")]
    blocks = list(pack_inputs(tuple(zip(*rows, strict=True)), {}))
    assert [pickle.loads(payload) for block in blocks for payload in block] == rows


@pytest.mark.parametrize(
    ("inputs", "named", "told"),
    [
        ((), {}, "no inputs: give at least"),
        (([],), {}, "at least one job"),
        ((iter([]),), {}, "at least one job"),
        ((5,), {}, r"number 1 \(int\) is no series.*const"),
        (([1], None), {}, r"number 2 \(NoneType\)"),
        (([1],), {"y": 3.5}, r"the input y \(float\)"),
        (([1, 2], [1]), {}, "number 1 has 2, number 2 has 1"),
        (([1, 2],), {"y": [1, 2, 3]}, "number 1 has 2, y has 3"),
        (([1, 2], iter([1])), {}, "number 2 is shorter"),
        (([1],), {"y": iter([1, 2])}, "y is longer"),
        (({1, 2},), {}, "is a set, which has no order"),
        (([1],), {"y": frozenset({1})}, "is a frozenset, which has no order"),
    ],
)
def test_inputs_that_are_none_are_refused(
    inputs: tuple[Any, ...], named: dict[str, Any], told: str
) -> None:
    def anything(*values: Any, **others: Any) -> None:
        return None

    with pytest.raises(InputError, match=told):
        hb.create(anything, *inputs, **named)
    assert hb.tasks() == []


def test_a_generator_that_fails_tells_the_job() -> None:
    def values() -> Iterator[int]:
        yield from range(1234)
        raise OSError("the disk of the user")

    with pytest.raises(InputError, match=r"fail at job 1234: OSError\('the disk of the user'\)"):
        hb.create(abs, values())


def test_a_users_own_value_error_is_not_taken_for_unequal_lengths() -> None:
    def values() -> Iterator[int]:
        yield 1
        raise ValueError("bad row")

    with pytest.raises(InputError, match=r"fail at job 1.*bad row"):
        hb.create(abs, values())


@pytest.mark.parametrize("place", [0, 7, 1500])
def test_an_input_that_does_not_pickle_is_told_with_its_job(place: int) -> None:
    values: list[Any] = [(k, "some") for k in range(2000)]
    values[place] = threading.Lock()
    with pytest.raises(InputError, match=rf"the input of job {place} cannot be pickled: .*lock"):
        hb.create(add, values)
    assert hb.tasks() == []


def test_inputs_may_be_any_iterable() -> None:
    import numpy

    assert stored(hb.create(add, list("ab"))) == [("a",), ("b",)]
    assert stored(hb.create(add, {1: 2, 3: 4}.keys())) == [(1,), (3,)]
    assert stored(hb.create(add, numpy.arange(2), y=(x for x in [5, 6]))) == [(0, 5), (1, 6)]

    class Old:
        def __getitem__(self, k: int) -> int:
            if k > 2:
                raise IndexError
            return k * 10

    assert stored(hb.create(add, Old())) == [(0,), (10,), (20,)]


def test_an_array_without_dimensions_is_no_series() -> None:
    numpy = pytest.importorskip("numpy")
    with pytest.raises(hb.InputError, match="is no series of values"):
        hb.create(abs, numpy.array(3))


@pytest.mark.parametrize("value", ["fast", b"ab", {"lr": 1}, bytearray(2)])
def test_a_text_or_a_table_is_one_value(value: object) -> None:
    for make in (lambda: hb.create(add, [1, 2], y=value), lambda: hb.create(add, value)):
        with pytest.raises(hb.InputError, match="is one value, and no series of values"):
            make()
    with pytest.raises(hb.InputError, match=r"grid: y .* is one value"):
        grid(x=[1, 2], y=value)  # type: ignore[arg-type]
    assert hb.tasks() == []


def test_a_grid_is_every_combination() -> None:
    columns = grid(a=[1, 2], b=["x", "y", "z"])
    assert list(zip(columns["a"], columns["b"], strict=True)) == [
        (1, "x"), (1, "y"), (1, "z"), (2, "x"), (2, "y"), (2, "z"),
    ]  # fmt: skip
    assert ran(add, **grid(x=[1, 2], y=[10, 20])) == [11, 21, 12, 22]


@pytest.mark.parametrize(
    ("inputs", "more", "told"),
    [
        (([1],), {"z": [1]}, "it has no argument 'z'"),
        (([1],), {"const": {"z": 1}}, "it has no argument 'z'"),
        ((), {"y": [1]}, "missing a required argument: 'x'"),
        (([1], [1], [1]), {}, "too many positional arguments"),
        (([1],), {"x": [1]}, "multiple values for argument 'x'"),
        (([1], [2]), {"const": {"y": 1}}, "multiple values for argument 'y'"),
        ((), {"x": [1], "const": {"x": 1}}, "const 'x' is an input as well"),
        (([1],), {"const": {3: 1}}, "const 3"),
        (([1],), {"const": ["y"]}, "is no mapping"),
        (([1],), {"seed": "7"}, "seed '7' is no whole number"),
        (([1],), {"seed": True}, "seed True is no whole number"),
    ],
)
def test_arguments_that_would_fail_in_every_job_are_refused_now(
    inputs: tuple[Any, ...], more: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        hb.create(add, *inputs, **more)
    assert hb.tasks() == []


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(InputError, match="'text' cannot be called"):
        hb.create("text", [1])  # type: ignore[arg-type]


def test_the_part_of_a_function_that_does_not_pickle_is_named() -> None:
    lock = threading.Lock()

    def closing(x: Any) -> Any:
        return lock and x

    class Owner:
        def __init__(self) -> None:
            self.lock = threading.Lock()

        def method(self, x: Any) -> Any:
            return x

    def attributed(x: Any) -> Any:
        return x

    attributed.kept = lock  # type: ignore[attr-defined]
    partial = functools.partial(add, y=lock)
    for function, told in (
        (closing, r"its variable 'lock' \(lock\)"),
        (Owner().method, "the Owner it is a method of"),
        (attributed, "its attribute 'kept'"),
        (partial, "cannot be pickled"),
    ):
        with pytest.raises(InputError, match=told):
            hb.create(function, [1])
    with pytest.raises(InputError, match=r"const 'y' \(lock\) cannot be pickled"):
        hb.create(add, [1], const={"y": lock})
    assert hb.tasks() == []


def test_a_variable_that_is_not_yet_set_is_no_crash() -> None:
    lock = threading.Lock()

    def closing(x: Any) -> Any:
        return lock, later, x

    with pytest.raises(InputError, match="its variable 'lock'"):
        hb.create(closing, [1])
    later = 1


class Adder:
    def __init__(self, base: int):
        self.base = base

    def __call__(self, x: int) -> int:
        return self.base + x

    def method(self, x: int) -> int:
        return self.base * x

    @classmethod
    def made(cls, x: int) -> int:
        return cls(x).base

    @staticmethod
    def alone(x: int) -> int:
        return -x


def test_every_kind_of_callable_runs() -> None:
    factor = 3
    import operator

    callables: list[tuple[Callable[..., Any], list[Any]]] = [
        (lambda x: x * factor, [3, 6]),
        (functools.partial(lambda a, b: a - b, 5), [4, 3]),
        (Adder(100), [101, 102]),
        (Adder(100).method, [100, 200]),
        (Adder.made, [1, 2]),
        (Adder.alone, [-1, -2]),
        (operator.neg, [-1, -2]),
        (float, [1.0, 2.0]),
        (Adder, [1, 2]),
        (cached, [2, 3]),
    ]
    for function, expected in callables:
        found = ran(function, [1, 2])
        if function is Adder:
            assert all(type(one) is Adder for one in found)
            found = [one.base for one in found]
        assert found == expected


def test_a_partial_of_a_modules_function_runs() -> None:
    assert ran(functools.partial(add, y=10), [1, 2]) == [11, 12]


def test_results_have_the_classes_of_this_very_session() -> None:
    class Local:
        def __init__(self, x: int):
            self.x = x

    (found,) = ran(lambda x: Local(x), [5])
    assert type(found) is Local
    assert found.x == 5
    (other,) = ran(lambda x: Adder(x), [5])
    assert type(other) is Adder


def test_constants_reach_every_job_under_their_names() -> None:
    assert ran(add, [1, 2], const={"y": 5}) == [6, 7]
    assert ran(add, x=[1, 2], const={"y": 0}) == [1, 2]


def test_the_seed_is_kept_or_drawn() -> None:
    assert hb.create(add, [1], seed=7).spec.seed == 7
    drawn = {hb.create(add, [1]).spec.seed for _ in range(3)}
    assert len(drawn) == 3
    case = Case.of(add, [1], seed=-(2**80))
    case.submit()
    assert case.run() == 0


def test_a_name_is_the_functions_where_none_is_given() -> None:
    assert hb.create(add, [1]).name == "add"
    assert hb.create(Adder(1), [1]).name == "task"
    assert hb.create(lambda x: x, [1]).id.endswith("__lambda")


def test_a_handle_is_shown_with_its_jobs() -> None:
    for count, told in ((1, ": 1 job>"), (2, ": 2 jobs>")):
        assert repr(hb.create(add, range(count))).endswith(told)


def test_collect_in_order_some_jobs_and_with_gaps() -> None:
    def job(x: int) -> int:
        if x == 2:
            raise ValueError("two is bad")
        return x * 10

    case = Case.of(job, range(4))
    case.submit()
    assert case.run() == 1
    task = case.task
    assert task.collect(on_error="skip") == [0, 10, 30]
    assert task.collect(jobs=[3, 0, 3]) == [30, 0, 30]
    told = task.collect(on_error="return")
    assert isinstance(told[2], hb.JobError)
    with pytest.raises(hb.TaskFailed, match=r"(?s)1 of 4 jobs.*two is bad"):
        task.collect()
    with pytest.raises(hb.UsageError, match="did you mean 'raise'"):
        task.collect(on_error="rase")
    assert task.job(2).traceback.endswith("ValueError: two is bad\n")
    assert [job.state for job in task.jobs("error")] == ["error"]


@pytest.mark.parametrize(
    "index",
    [
        4,
        -1,
    ],
)
def test_a_job_that_is_not_there_is_not_found(index: int) -> None:
    case = Case.of(add, range(4))
    case.submit()
    case.run()
    with pytest.raises(NotFound, match=f"there is no job {index}"):
        case.task.collect(jobs=[index])
    with pytest.raises(NotFound, match=f"there is no job {index}"):
        case.task.job(index)


def test_one_result_that_does_not_load_leaves_the_others() -> None:
    def job(x: int) -> Any:
        class Needs(Exception):
            def __init__(self, one: int, two: int):
                super().__init__("only one kept")

        return Needs(1, 2) if x == 1 else x

    case = Case.of(job, range(3))
    case.submit()
    assert case.run() == 0
    found = case.task.collect(on_error="return")
    assert (found[0], found[2]) == (0, 2)
    assert isinstance(found[1], HpcbatchError)
    assert case.task.collect(on_error="skip") == [0, 2]


MILLION = """
import hpcbatch as hb
task = hb.create(abs, (k for k in range(1_000_000)))
assert len(task) == 1_000_000
# not ru_maxrss: a child inherits that of its parent
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""


@pytest.mark.slow
def test_a_million_jobs_from_a_generator_need_little_memory() -> None:
    ended = run_python(["-c", MILLION])
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) < 300 << 10  # KiB


def test_importing_hpcbatch_is_cheap() -> None:
    source = "import hpcbatch, sys; print([m for m in ('cloudpickle', 'jinja2', 'yaml', 'filelock', 'rich') if m in sys.modules])"  # noqa: E501
    ended = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ended.stdout.strip() == "[]"


def test_a_traceback_names_file_and_line_of_functions_by_value() -> None:
    def outer(x: int) -> int:
        def inner() -> int:
            return 1 // x

        return inner()

    outer.__module__ = "__main__"
    again = pickle.loads(dumps(outer))
    with pytest.raises(ZeroDivisionError) as raised:
        again(0)
    assert [entry.path.name for entry in raised.traceback[1:]] == ["test_create.py"] * 2
