"""The log of a server in the background stays small, and is its owner's alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpcbatch.server import logfile


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A log to which two descriptors of this process write, as its outputs."""
    path = tmp_path / "server" / "server.log"
    path.parent.mkdir()
    first = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    second = os.dup(first)
    monkeypatch.setattr(logfile, "OUTPUTS", (first, second))
    monkeypatch.setattr(logfile, "LARGEST", 10)
    yield path
    for fd in (first, second):
        os.close(fd)


def test_what_is_large_is_begun_anew(output: Path) -> None:
    first, second = logfile.OUTPUTS
    before = output.with_name("server.log.1")
    for text in ("the first lines", "the second lines"):
        os.write(first, text.encode())
        logfile.renew_if_large(str(output))
        assert before.read_text() == text
        assert output.read_text() == ""
    os.write(second, b"short")
    logfile.renew_if_large(str(output))
    assert output.read_text() == "short"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (output, before)}
    assert modes == {0o600}
    assert sorted(output.parent.iterdir()) == [output, before]


def test_an_output_elsewhere_is_left_alone(output: Path) -> None:
    os.write(logfile.OUTPUTS[0], b"long enough to go")
    other = output.with_name("other.log")
    logfile.renew_if_large(str(other))
    other.write_text("what somebody else has written")
    logfile.renew_if_large(str(other))
    assert {path.name for path in output.parent.iterdir()} == {"server.log", "other.log"}
