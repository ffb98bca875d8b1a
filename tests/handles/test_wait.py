"""Waiting for a task, and ceasing to."""

from __future__ import annotations

from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.sites.here import Here


def test_who_interrupts_learns_that_the_task_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    task = hb.create(abs, [1])
    monkeypatch.setattr(Here, "track", interrupted)
    for waits in (task.wait, lambda: list(task.as_completed())):
        with pytest.raises(KeyboardInterrupt, match=f"{task.id} goes on without this process"):
            waits()
