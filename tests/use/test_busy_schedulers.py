"""A scheduler that cannot answer now is asked again, and that is told."""

from __future__ import annotations

import logging

import pytest

import hpcbatch as hb
from hpcbatch.use import busy_schedulers
from hpcbatch.use.busy_schedulers import patiently


def test_why_is_told_where_it_is_news(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(busy_schedulers.time, "sleep", pauses.append)
    words = iter(["it is away", "it is away", "it is full"])

    def ask() -> int:
        for word in words:
            raise hb.SubmissionDeferred(word)
        return 7

    with caplog.at_level(logging.WARNING, "hpcbatch.submit"):
        assert patiently(ask, 60.0) == 7
    assert pauses == [1, 2, 4]
    assert caplog.messages == [
        "it is away; trying again in 1 s",
        "still so; trying again in 2 s",
        "it is full; trying again in 4 s",
    ]
    with pytest.raises(hb.SubmissionDeferred, match="never"):
        patiently(lambda: (_ for _ in ()).throw(hb.SubmissionDeferred("never")), 0.0)
