"""How a forked child ends."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from hpcbatch.disk.forked_child import exit_with_status_of


def fails() -> int:
    raise ValueError("in the child")


def leaves() -> int:
    raise SystemExit(0)  # a child that goes on with its parent's work would be one too many


@pytest.mark.parametrize(("work", "status"), [(lambda: 7, 7), (fails, 1), (leaves, 1)])
def test_its_status(
    work: Callable[[], int], status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    pid = os.fork()
    if pid == 0:
        exit_with_status_of(work)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status
    assert ("ValueError: in the child" in capfd.readouterr().err) == (work is fails)
