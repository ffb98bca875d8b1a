"""What a login node needs is fetched here, by pip."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

import hpcbatch as hb
from hpcbatch.sites.ssh import setup


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The interpreter whose pip is asked."""
    path = tmp_path / "python"
    path.touch(0o700)
    monkeypatch.setattr(sys, "executable", str(path))
    return path


def test_pip_goes_by_the_variables_of_its_user(
    python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example")
    python.write_text('#!/bin/sh\necho "no $7 at $PIP_INDEX_URL, $PWD" >&2; exit 1\n')
    told = re.escape(f"no such-wheel at https://mirror.example, {os.getcwd()}")
    with pytest.raises(hb.SiteError, match=f"{told}$"):
        setup._pip("download", "such-wheel")


def test_pip_that_does_not_end_is_ended(python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "FETCHED_WITHIN", 0.2)
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(hb.SiteError, match=r"could not be fetched: .* did not answer within"):
        setup._pip("download", "such-wheel")
