"""A pool that is closed while it opens."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.pool.lifecycle import Lifecycle


class Running:
    """What an open pool has of its own."""

    def __init__(self) -> None:
        self.broker = object()
        self.told: list[str] = []

    class loop:
        @staticmethod
        def is_own_thread() -> bool:
            return False

    def drain(self) -> None:
        self.told.append("drained")

    def close(self) -> tuple[()]:
        self.told.append("closed")
        return ()


class Slow(Lifecycle):
    name = "slow"

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()

    def _open(self) -> Any:
        self.begun.set()
        assert self.go_on.wait(60)
        return Running()


@pytest.mark.parametrize("wait", [True, False])
def test_one_that_is_just_opening_is_closed_as_well(wait: bool) -> None:
    pool = Slow()
    opening = threading.Thread(target=pool.start)
    closing = threading.Thread(target=pool.shutdown, args=(wait,))
    opening.start()
    assert pool.begun.wait(60)
    closing.start()
    pool.go_on.set()
    opening.join()
    closing.join()
    assert pool._running.told == (["drained", "closed"] if wait else ["closed"])
    with pytest.raises(hb.PoolClosed):
        pool.start()


def test_one_that_was_closed_before_is_not_opened() -> None:
    pool = Slow()
    pool.shutdown()
    with pytest.raises(hb.PoolClosed):
        pool.start()
    assert not pool.begun.is_set()
