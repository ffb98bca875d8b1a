"""No result is lost and none counts twice, whatever becomes of workers."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hpcbatch.pool.dispatch import Dispatch, TaskBatch, Worker
from hpcbatch.pool.sent_functions import KEPT, MOST, Function, Pace, SentFunctions
from hpcbatch.pool.task import PoolTask, Result

QUICK, LONG = 0.0001, 1.0


class NoSink:
    def resolve(self, task: PoolTask, result: Result) -> None:
        raise AssertionError("the dispatch resolves nothing")


def a_function(mean: float | None = None) -> Function:
    function = Function(1, "f", b"", Pace(), deque())
    if mean is not None:
        function.pace.measured(mean)
    return function


def a_task(function: Function, number: int = 1, **more: Any) -> PoolTask:
    return PoolTask(number, function, 0, (number,), NoSink(), **more)


def numbers(batches: list[TaskBatch]) -> dict[str, list[int]]:
    return {batch.worker.name: [task.number for _, task in batch.tasks] for batch in batches}


def a_dispatch(*workers: str, crashes_max: int = 1) -> Dispatch:
    dispatch = Dispatch(crashes_max)
    for name in workers:
        dispatch.arrive(Worker(name.encode(), name))
    return dispatch


def test_what_takes_unknown_time_is_given_one_at_a_time() -> None:
    dispatch, function = a_dispatch("a", "b"), a_function()
    dispatch.add(a_task(function, n) for n in range(5))
    assert numbers(dispatch.assign(0.0)) == {"a": [0], "b": [1]}
    assert dispatch.assign(0.0) == []


def test_small_tasks_are_given_many_at_a_time_and_fairly() -> None:
    dispatch, function = a_dispatch("a", "b"), a_function(QUICK)
    dispatch.add(a_task(function, n) for n in range(10))
    given = numbers(dispatch.assign(0.0))
    assert {name: len(tasks) for name, tasks in given.items()} == {"a": 5, "b": 5}
    dispatch.add(a_task(function, n) for n in range(10 * MOST))
    dispatch.assign(0.0)
    assert all(len(worker.held) <= MOST for worker in dispatch.workers.values())


def test_nothing_waits_behind_a_task_that_takes_long() -> None:
    dispatch, function = a_dispatch("a", "b"), a_function(0.01)
    dispatch.add(a_task(function, n) for n in range(4))
    ((worker, tasks), other) = dispatch.assign(0.0)
    dispatch.busy(worker.key, tasks[0][0], [tasks[1][0]])
    assert [task.number for task in dispatch.waiting] == [tasks[1][1].number]
    for dispatched, _ in other.tasks:
        assert dispatch.finish(other.worker.key, dispatched, 0.01)
    assert numbers(dispatch.assign(0.0)) == {other.worker.name: [tasks[1][1].number]}


def test_what_a_worker_has_given_back_it_may_do_later() -> None:
    dispatch, function = Dispatch(1), a_function(QUICK)
    dispatch.arrive(Worker(b"a", "a", left=3))
    dispatch.add(a_task(function, n) for n in range(4))
    ((_, tasks),) = dispatch.assign(0.0)
    (first, _), (second, _), (third, _) = tasks
    dispatch.busy(b"a", first, [second, third])
    assert dispatch.finish(b"a", first, QUICK)
    assert numbers(dispatch.assign(0.0)) == {"a": [1, 2]}
    assert len(dispatch.waiting) == 1


def test_a_worker_that_holds_one_task_when_it_is_lost_was_running_it() -> None:
    dispatch, function = a_dispatch("a"), a_function(QUICK)
    task = a_task(function)
    dispatch.add([task])
    dispatch.assign(0.0)
    assert dispatch.lose(b"a") == []
    assert task.crashes == 1
    dispatch.arrive(Worker(b"c", "c"))
    assert numbers(dispatch.assign(0.0)) == {"c": [1]}
    assert dispatch.lose(b"c") == [task]
    assert task.is_over


def test_the_one_that_ends_its_worker_is_found_among_many() -> None:
    dispatch, function = a_dispatch("a"), a_function(QUICK)
    tasks = [a_task(function, n) for n in range(4)]
    dispatch.add(tasks)
    dispatch.assign(0.0)
    dispatch.lose(b"a")
    assert [task.crashes for task in tasks] == [0, 0, 0, 0]
    dispatch.arrive(Worker(b"b", "b"))
    assert numbers(dispatch.assign(0.0)) == {"b": [0]}  # and nothing beside it
    dispatch.lose(b"b")
    assert [task.crashes for task in tasks] == [1, 0, 0, 0]


def test_a_worker_that_tells_which_task_runs_is_believed() -> None:
    dispatch, function = a_dispatch("a"), a_function(QUICK)
    tasks = [a_task(function, n) for n in range(3)]
    dispatch.add(tasks)
    ((_, given),) = dispatch.assign(0.0)
    dispatch.busy(b"a", given[1][0], [])
    dispatch.lose(b"a")
    assert [task.crashes for task in tasks] == [0, 1, 0]
    assert [task.number for task in dispatch.waiting] == [0, 2]


def test_a_planned_stop_is_no_crash() -> None:
    dispatch, function = a_dispatch("a"), a_function(QUICK)
    task = a_task(function)
    dispatch.add([task])
    dispatch.assign(0.0)
    dispatch.leave(b"a")
    assert task.crashes == 0
    assert list(dispatch.waiting) == [task]


def test_a_worker_that_comes_back_has_not_crashed() -> None:
    dispatch, function = a_dispatch("a"), a_function(QUICK)
    task = a_task(function)
    dispatch.add([task])
    ((_, ((number, _),)),) = dispatch.assign(0.0)
    dispatch.lose(b"a")
    assert task.crashes == 1
    dispatch.arrive(Worker(b"again", "a"))
    assert task.crashes == 0
    assert dispatch.finish(b"a", number, 0.1) is None
    assert dispatch.finish(b"again", number, 0.1) is None


def test_crashes_of_tasks_that_are_over_are_not_kept() -> None:
    dispatch, function = a_dispatch(), a_function(QUICK)
    for number in range(5):
        dispatch.add([a_task(function, number)])
        for key in (b"lost%d" % number, b"good%d" % number):
            dispatch.arrive(Worker(key, key.decode()))
            ((_, ((handed, _),)),) = dispatch.assign(0.0)
            if key.startswith(b"lost"):
                dispatch.lose(key)
            else:
                assert dispatch.finish(key, handed, 0.1)
                dispatch.lose(key)
    assert list(dispatch._charged) == ["lost4"]


def test_a_chunk_that_is_lost_is_tried_item_by_item() -> None:
    dispatch, function = a_dispatch("a"), a_function(QUICK)
    chunk = PoolTask(7, function, 0, [[1, 2, 3]], NoSink(), items=[[1, 2, 3]])
    dispatch.live[7] = chunk
    dispatch.add([chunk])
    dispatch.assign(0.0)
    assert dispatch.lose(b"a") == []
    assert list(dispatch.live.values()) == list(dispatch.alone), "each is left until it is over"
    assert [(t.number, t.size, t.payload) for t in dispatch.alone] == [
        (7, 1, dispatch.alone[0].payload),
        (8, 1, dispatch.alone[1].payload),
        (9, 1, dispatch.alone[2].payload),
    ]


def test_no_task_is_given_that_cannot_end_in_time() -> None:
    dispatch = Dispatch(1)
    dispatch.arrive(Worker(b"old", "old", ends=5.0))
    dispatch.add([a_task(a_function(LONG), 1)])
    assert dispatch.assign(4.5) == []
    dispatch.arrive(Worker(b"new", "new", ends=100.0))
    assert numbers(dispatch.assign(4.5)) == {"new": [1]}


def a_worker(name: str, ends: float, time: float = 10.0) -> Worker:
    return Worker(name.encode(), name, ends=ends, time=time)


def test_what_takes_long_is_given_to_a_worker_that_has_all_its_time() -> None:
    dispatch = Dispatch(1)
    dispatch.arrive(a_worker("old", 5.0))
    dispatch.add([a_task(a_function(100.0), 1)])
    assert dispatch.assign(0.0) == []
    dispatch.arrive(a_worker("new", 10.0))
    assert numbers(dispatch.assign(0.0)) == {"new": [1]}, "more than that nobody has"


def broken_off(dispatch: Dispatch, name: str, now: float = 0.0) -> list[PoolTask]:
    """A worker is given something, and leaves in the middle of it at the end of its time."""
    [(_, [(number, _)])] = dispatch.assign(now)
    return dispatch.leave(name.encode(), [number])


def test_what_is_broken_off_twice_although_it_had_all_the_time_is_given_up() -> None:
    dispatch = Dispatch(1)
    task = a_task(a_function(), 1)
    dispatch.add([task])
    for name, left in (("old", 5.0), ("new", 10.0), ("old again", 5.0)):
        task.alone &= name != "new"
        dispatch.arrive(a_worker(name, left))
        assert broken_off(dispatch, name) == []
        assert list(dispatch.alone) == [task]
    dispatch.arrive(a_worker("last", 10.0))
    assert broken_off(dispatch, "last") == [task]
    assert task.is_over
    assert task.crashes == 0


def test_a_worker_that_comes_back_has_no_more_time_than_before() -> None:
    dispatch = Dispatch(1)
    dispatch.arrive(Worker(b"first", "a", ends=10.0, time=10.0))
    dispatch.lose(b"first")
    dispatch.arrive(Worker(b"again", "a", ends=18.0, time=10.0))
    task = a_task(a_function(), 1)
    task.alone = True
    dispatch.add([task])
    assert broken_off(dispatch, "again", now=8.0) == [], "it had two seconds alone"


def test_a_chunk_that_is_broken_off_twice_is_tried_item_by_item() -> None:
    dispatch = Dispatch(1)
    chunk = PoolTask(7, a_function(), 0, [[1, 2, 3]], NoSink(), items=[[1, 2, 3]])
    dispatch.add([chunk])
    for name in ("a", "b"):
        dispatch.arrive(a_worker(name, 10.0))
        assert broken_off(dispatch, name) == []
    assert [task.number for task in dispatch.alone] == [7, 8, 9]


def test_a_worker_is_given_no_more_than_it_will_run() -> None:
    dispatch = Dispatch(1)
    dispatch.arrive(Worker(b"a", "a", left=3))
    dispatch.add(a_task(a_function(QUICK), n) for n in range(5))
    assert numbers(dispatch.assign(0.0)) == {"a": [0, 1, 2]}


def test_functions_are_known_by_identity_and_by_pickle() -> None:
    functions = SentFunctions()

    def make(n: int) -> Any:
        return lambda x: x + n

    one = make(1)
    assert functions.find(one) is functions.find(one)
    assert functions.find(make(1)) is functions.find(one)
    assert functions.find(make(2)) is not functions.find(one)
    assert functions.find(one, {"y": 1}) is not functions.find(one)


def test_constants_are_pickled_again_where_a_name_has_another_value() -> None:
    functions = SentFunctions()
    pickled: list[int] = []

    class Value:
        def __init__(self, number: int):
            self.number = number

        def __reduce__(self) -> Any:
            pickled.append(self.number)
            return int, (self.number,)

    given: dict[str, Any] = {"y": Value(1)}
    first = functions.find(print, given)
    assert functions.find(print, given) is first
    given["y"] = Value(2)
    second = functions.find(print, given)
    assert second is not first
    given["z"] = given.pop("y")
    assert functions.find(print, given) not in (first, second)
    given["y"] = given.pop("z")
    assert functions.find(print, given) is second  # known by its pickle
    assert pickled == [1, 2, 2, 2]


def test_functions_that_no_task_has_any_more_are_forgotten() -> None:
    functions = SentFunctions()
    numbers = [functions.find(lambda n=n: n).number for n in range(KEPT + 3)]
    assert list(functions.forgotten) == numbers[:3]
    dispatch = a_dispatch("a")
    dispatch.workers[b"a"].functions.update(numbers[:2])
    dispatch.forget(functions.forgotten)
    assert dispatch.workers[b"a"].forgotten == numbers[:2]
    assert dispatch.workers[b"a"].functions == set()


def test_functions_of_one_place_have_one_pace() -> None:
    functions = SentFunctions()
    one, two = (functions.find(lambda n=n: n) for n in range(2))
    assert one is not two
    assert one.pace is two.pace


class Machine(RuleBasedStateMachine):
    """Workers do what they are given in their order, or are lost, or come back late."""

    def __init__(self) -> None:
        super().__init__()
        self.dispatch = Dispatch(2)
        self.functions = [a_function(mean) for mean in (None, QUICK, 0.01, LONG)]
        self.made: list[PoolTask] = []
        self.done: dict[int, int] = {}
        self.crashed: set[int] = set()
        self.given: dict[bytes, list[int]] = {}
        self.late: list[tuple[bytes, int]] = []
        self.keys = 0

    @rule(which=st.integers(0, 3), count=st.integers(1, 20))
    def push(self, which: int, count: int) -> None:
        tasks = [a_task(self.functions[which], len(self.made) + n) for n in range(count)]
        self.made += tasks
        self.dispatch.add(tasks)

    @rule(left=st.sampled_from([5.0, 10.0, math.inf]))
    def arrive(self, left: float) -> None:
        self.keys += 1
        key = str(self.keys).encode()
        self.given[key] = []
        self.dispatch.arrive(Worker(key, f"w{self.keys % 3}", ends=left, time=max(left, 10.0)))

    @rule()
    def assign(self) -> None:
        for batch in self.dispatch.assign(0.0):
            assert batch.tasks
            self.given[batch.worker.key] += [number for number, _ in batch.tasks]

    def finish(self, key: bytes, number: int) -> None:
        task = self.dispatch.finish(key, number, QUICK)
        if task is not None:
            self.done[task.number] = self.done.get(task.number, 0) + 1

    @precondition(lambda self: any(self.given.values()))
    @rule(data=st.data(), count=st.integers(1, 30))
    def work(self, data: st.DataObject, count: int) -> None:
        key = data.draw(st.sampled_from(sorted(k for k, held in self.given.items() if held)))
        for number in self.given[key][:count]:
            self.finish(key, number)
        del self.given[key][:count]

    @precondition(lambda self: any(self.given.values()))
    @rule(data=st.data())
    def take_long(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(k for k, held in self.given.items() if held)))
        running, *behind = self.given[key]
        back = data.draw(st.booleans())
        self.dispatch.busy(key, running, behind if back else [])
        if back:
            self.given[key] = [running]

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.given)))
        self.late += [(key, number) for number in self.given.pop(key)]
        for task in self.dispatch.lose(key):
            assert task.crashes > self.dispatch.crashes_max
            self.crashed.add(task.number)

    @precondition(lambda self: self.given)
    @rule(data=st.data(), at_its_end=st.booleans())
    def leave(self, data: st.DataObject, at_its_end: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.given)))
        worker, held = self.dispatch.workers[key], self.given.pop(key)
        self.late += [(key, number) for number in held]
        breaks_off = at_its_end and worker.ends < math.inf
        for task in self.dispatch.leave(key, held[:1] if breaks_off else []):
            assert (breaks_off, worker.ends) == (True, worker.time)
            self.crashed.add(task.number)

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def tell_late(self, data: st.DataObject) -> None:
        key, number = data.draw(st.sampled_from(self.late))
        before = dict(self.done)
        self.finish(key, number)
        assert self.done == before

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        left = [task for task in self.made if not task.is_over]
        if left:
            task = data.draw(st.sampled_from(left))
            self.dispatch.drop(task)
            self.crashed.add(task.number)

    @invariant()
    def none_counts_twice(self) -> None:
        assert all(count == 1 for count in self.done.values())
        assert not self.crashed & set(self.done)

    def teardown(self) -> None:
        """With a worker that goes on, all that is left is done."""
        self.arrive(math.inf)
        key = str(self.keys).encode()
        for other in [other for other in self.given if other != key]:
            self.late += [(other, number) for number in self.given.pop(other)]
            self.crashed |= {task.number for task in self.dispatch.lose(other)}
        for _ in range(3 * len(self.made) + 3):
            self.assign()
            for number in self.given[key]:
                self.finish(key, number)
            self.given[key].clear()
        assert not any(task for task in self.dispatch.waiting if not task.is_over)
        assert set(self.done) | self.crashed == {task.number for task in self.made}


TestMachine = Machine.TestCase
