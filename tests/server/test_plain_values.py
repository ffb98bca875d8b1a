"""Values are read from pickles without unpickling them."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.server.plain_values import MOST, NotPlain, plain_value

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=30,
)


@given(VALUES, st.integers(2, 5))
def test_plain_values_are_as_json_has_them(value: Any, protocol: int) -> None:
    assert plain_value(pickle.dumps(value, protocol)) == json.loads(json.dumps(value))


def test_what_is_shared_is_there_twice() -> None:
    shared = [1, "two"]
    assert plain_value(cloudpickle.dumps({"a": shared, "b": shared})) == {"a": shared, "b": shared}


class Canary:
    def __init__(self, path: str):
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


def cycle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def laughs() -> list[Any]:
    value: list[Any] = ["ha"]
    for _ in range(60):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"x", "bytes"),
        (Path("x"), "pathlib"),
        ({1: 2}, "the key 1"),
        ({None: 2}, "the key None"),
        ({0: 2}, "the key 0"),
        (1 + 2j, "builtins.complex"),
        ({1, 2}, "more than plain values"),
        (float("nan"), "the number nan"),
        (cycle(), "inside each other"),
        (laughs(), f"more than {MOST} values"),
        ([0] * (MOST + 1), f"more than {MOST} values"),
        ("x" * (1 << 21), "bytes"),
        (1 << 100_000, "a number of 100001 bits"),
    ],
    ids=range(13),
)
def test_others_are_named(value: Any, told: str) -> None:
    with pytest.raises(NotPlain, match=told):
        plain_value(cloudpickle.dumps(value))


def test_nothing_is_called(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    with pytest.raises(NotPlain, match="mkdir"):
        plain_value(pickle.dumps([Canary(str(canary))]))
    assert not canary.exists()


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda junk: b"\x80\x05" + junk + b"."))
def test_junk_is_refused(junk: bytes) -> None:
    with contextlib.suppress(NotPlain):
        json.dumps(plain_value(junk), allow_nan=False)


@given(VALUES, st.data())
def test_a_damaged_pickle_is_refused_or_plain(value: Any, data: st.DataObject) -> None:
    whole = bytearray(pickle.dumps(value, 5))
    for _ in range(3):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(NotPlain):
        json.dumps(plain_value(bytes(whole)), allow_nan=False)
