"""Tasks are told apart by their numbers."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from hpcbatch.pool.future import PoolFuture
from hpcbatch.pool.task_factory import TaskFactory


def test_numbers_are_given_once_to_several_threads() -> None:
    factory, nobody = TaskFactory(), PoolFuture()
    function, begins = factory.function(abs), threading.Barrier(4)
    numbers: list[int] = []

    def push() -> None:
        begins.wait()
        for _ in range(1000):
            numbers.append(factory.task(function, (1,), {}, nobody).number)

    def reserve() -> None:
        begins.wait()
        for _ in range(1000):
            first = factory.reserve(3)
            numbers.extend(range(first, first + 3))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            for done in [threads.submit(each) for each in (push, reserve) * 2]:
                done.result()
    finally:
        sys.setswitchinterval(interval)
    assert len(set(numbers)) == len(numbers) == 8000
