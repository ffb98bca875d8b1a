"""Arguments that a method of a task does not have."""

from __future__ import annotations

from typing import Any

import pytest

import hpcbatch as hb


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"throtle": 3}, "unknown option 'throtle'; did you mean 'throttle'"),
        ({"env": "A=1"}, "env: 'A=1' is no table"),
        ({"walltime": "1h"}, "resources="),
    ],
)
def test_what_submit_does_not_take_is_told(given: dict[str, Any], told: str) -> None:
    with pytest.raises(hb.UsageError, match=told):
        hb.create(abs, [1]).submit("local", **given)
