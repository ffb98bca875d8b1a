"""Pools of local workers; one is shared by the tests of a file that leave it as it is."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hpcbatch import Controller

HEARTBEAT = 0.5


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPCBATCH_ROOT", str(tmp_path_factory.mktemp("registry")))
        with Controller(workers=2, seed=7, heartbeat=HEARTBEAT, crashes_max=1) as pool:
            yield pool


@pytest.fixture
def make_pool(own_registry: Any) -> Iterator[Callable[..., Controller]]:
    made: list[Controller] = []

    def make(**settings: Any) -> Controller:
        made.append(Controller(**{"heartbeat": HEARTBEAT, **settings}))
        return made[-1]

    yield make
    for pool in made:
        pool.terminate()


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    caplog.set_level(logging.INFO, "hpcbatch.pool")
    return lambda: caplog.text


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def a_root() -> str:
    return os.environ["HPCBATCH_ROOT"]
