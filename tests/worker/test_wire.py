"""Values come out of a message as they went in, however they lie there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.use.pickling import dumps
from hpcbatch.worker import wire

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=10,
)


def through(value: Any, before: list[memoryview] | None = None) -> tuple[int, Any]:
    parts = list(before or ())
    how, packed = wire.pack(value, parts, dumps)
    packed, own = wire.own_parts(how, packed, parts)
    return how, wire.unpack(how, packed, own)


@given(VALUES)
def test_small_values(value: Any) -> None:
    how, back = through(value)
    assert how != wire.PARTED
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    "value", ["x" * wire.LARGE, b"y" * (3 * wire.PIECE + 1), 1 << (9 << 20)], ids=type
)
def test_large_ones_travel_in_parts_behind_those_of_others(value: Any) -> None:
    how, back = through(value, [memoryview(b"another's"), memoryview(b"part")])
    assert how == wire.PARTED
    assert back == value


def test_the_buffers_of_arrays_are_not_copied_until_they_are_sent() -> None:
    array = np.arange(300_000.0)
    parts: list[memoryview] = []
    how, packed = wire.pack({"a": array, "small": np.arange(3)}, parts, dumps)
    assert how == wire.PARTED
    assert sum(part.nbytes for part in parts) < array.nbytes + 10_000
    array[0] = 7.0  # what the parts show
    back = wire.unpack(how, packed, parts)
    assert (back["a"] == array).all()
    back["a"][1] = 8.0  # and what comes out can be written


def test_a_missing_part_is_found_out() -> None:
    parts: list[memoryview] = []
    how, packed = wire.pack(b"z" * (2 * wire.PIECE), parts, dumps)
    with pytest.raises(ValueError, match="a part is missing"):
        wire.unpack(how, packed, parts[:-1])


def test_what_cannot_be_pickled_leaves_no_parts() -> None:
    parts: list[memoryview] = []
    with pytest.raises(TypeError):
        wire.pack([np.arange(300_000.0), (i for i in ())], parts, dumps)
    assert parts == []
