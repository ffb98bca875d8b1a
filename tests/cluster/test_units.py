"""Sizes and times as schedulers print them."""

from __future__ import annotations

import pytest

from hpcbatch.cluster.schedulers.units import bytes_of, seconds_of


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("0.000B", 0),
        ("5520K", 5520 * 1024),
        ("308.5MB", 308.5 * 1024**2),
        ("1.5G", 1.5 * 1024**3),
        ("2T", 2 * 1024**4),
        ("768k", 768_000),
        ("", None),
        ("lots", None),
        ("-5K", None),
        ("INFINITY", None),
        ("1.2.3", None),
    ],
)
def test_bytes(text: str, size: float | None) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("01:30", 90),
        ("00:01:30", 90),
        ("1-02:03:04", 93784),
        ("100:0:0", 360_000),
        (":30:", 1800),
        ("", None),
        (":", None),
        ("INFINITY", None),
        ("UNLIMITED", None),
        ("1:2:3:4", None),
    ],
)
def test_seconds(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds
