"""Numbers as people read them."""

from __future__ import annotations

import pytest

from hpcbatch.cli.formatting import clock


@pytest.mark.parametrize("moment", [1e300, -1e300, float("nan"), float("inf"), 1e18])
def test_a_moment_that_is_none_harms_no_list(moment: float) -> None:
    assert clock(moment) == "?"


def test_a_moment() -> None:
    assert clock(None) == ""
    assert len(clock(0.0)) == len("1970-01-01 00:00:00")
