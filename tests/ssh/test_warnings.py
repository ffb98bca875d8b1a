"""What a login node warns of is a warning of the same kind here."""

from __future__ import annotations

import io
import os
import warnings
from types import SimpleNamespace
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.sites import wire
from hpcbatch.sites.ssh import frames
from hpcbatch.sites.ssh.answers import Talk
from hpcbatch.sites.ssh.exchange import Answer
from hpcbatch.sites.ssh.remote import answer

MARK = "0" * 32


class OfALibrary(UserWarning):
    """One that is not known here."""


def answered(warned: Warning) -> Any:
    """What a verb answers that warns there."""

    def verb(site: Any, asked: Any, talk: Talk) -> str:
        warnings.warn(warned, stacklevel=2)
        return "answer"

    request = frames.told(frames.REQUEST, {"verb": "warn", "root": None, "mark": MARK})
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", 0) as stream:
        with os.fdopen(writing, "wb", 0) as out:
            answer(Talk(io.BytesIO(request).read, out.fileno()), {"warn": verb})
        heard: Any = SimpleNamespace(read=stream.read)
        return Answer(heard, "login", MARK.encode()).last()


@pytest.mark.parametrize(
    ("warned", "kind"),
    [
        (hb.CodeWarning("x"), hb.CodeWarning),
        (RuntimeWarning("x"), RuntimeWarning),
        (DeprecationWarning("x"), DeprecationWarning),
        (OfALibrary("x"), UserWarning),
    ],
)
def test_its_kind_is_kept(warned: Warning, kind: type[Warning]) -> None:
    with pytest.warns(kind, match="^x$") as told:
        assert answered(warned) == "answer"
    assert [each.category for each in told] == [kind]


@pytest.mark.parametrize("name", ["HpcbatchError", "print", "annotations", None])
def test_what_is_no_warning_is_told_as_one(name: str | None) -> None:
    assert type(wire.warning_from({"warning": name, "message": "x"})) is RuntimeWarning
    assert str(wire.warning_from({"message": "x\x1b[2J"})) == "x [2J"
