"""Numbers in words that people use."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hpcbatch.words.resources import parse_memory, parse_walltime
from hpcbatch.words.text import bytes_text, counted, size_text, walltime_text


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 jobs"), (1, "1 job"), (2, "2 jobs"), (1200, "1,200 jobs")]
)
def test_how_many(number: int, told: str) -> None:
    assert counted(number, "job") == told


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (1, "1 bytes"),
        (1025, "2KB"),
        (3 << 29, "1.5GB"),
        (4 << 30, "4GB"),
        (500 << 20, "500MB"),
        (1572865000, "1536001KB"),
    ],
)
def test_size(count: int, told: str) -> None:
    assert bytes_text(count) == told


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KB"),
        (190123456789, "177.1 GB"),
        (1 << 60, "1048576.0 TB"),
    ],
)
def test_size_as_people_read_it(count: int, told: str) -> None:
    assert size_text(count) == told


@given(st.integers(1024, 1 << 60))
@example(2_271_132_445_824)
def test_size_is_never_rounded_down(count: int) -> None:
    assert count <= parse_memory(bytes_text(count)) < count + 1024


@given(st.integers(120, 10**8))
def test_clock_is_read_back(seconds: int) -> None:
    assert parse_walltime(walltime_text(seconds)) == seconds
