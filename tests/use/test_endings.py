"""What a scheduler is asked of what has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from hpcbatch.cluster.cluster import Cluster
from hpcbatch.cluster.schedulers.answers import Ended
from hpcbatch.use.endings import _history
from hpcbatch.words.model import UNKNOWN_ID, Array, Ending
from tests.core import everyone, make_attempt


def test_an_id_that_nobody_learned_is_asked_of_no_scheduler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    ending = Ending("timeout")

    def history(self: Cluster, arrays: Sequence[str], since: float) -> list[Ended]:
        asked.extend(arrays)
        return [Ended("77", 3, ending), Ended(UNKNOWN_ID, 1, ending)]

    monkeypatch.setattr(Cluster, "history", history)
    arrays = (Array("a", 0, 4, 1, UNKNOWN_ID, 1.0), Array("b", 4, 4, 1, "77", 1.0))
    attempt = replace(make_attempt(1, everyone(8), 8), arrays=arrays)
    assert _history(attempt) == {6: ending}
    assert asked == ["77"]
