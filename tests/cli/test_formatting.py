"""Numbers as people read them."""

from __future__ import annotations

import pytest

from hpcbatch.cli.formatting import clock, duration


@pytest.mark.parametrize("moment", [1e300, -1e300, float("nan"), float("inf"), 1e18])
def test_a_moment_that_is_none_harms_no_list(moment: float) -> None:
    assert clock(moment) == "?"


def test_a_moment() -> None:
    assert clock(None) == ""
    assert len(clock(0.0)) == len("1970-01-01 00:00:00")


def test_a_duration_is_rounded_once() -> None:
    assert [duration(each) for each in (None, 0.124, 59.94, 59.96, 3599.6, 86399.6)] == [
        *("", "0.12 s", "59.9 s", "0:01:00", "1:00:00", "1d 00:00:00")
    ]
