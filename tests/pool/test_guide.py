"""The code of docs/writing-a-launcher.md does what the page says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import engine, use_fake
from tests.conftest import why_absent
from tests.core import ROOT

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/writing-a-launcher.md").read_text(), re.S)
PROCESSES, INFORMAL, ARRAY, PATIENT, LOAD, RUN = BLOCKS


@pytest.fixture
def page(own_registry: Path) -> dict[str, Any]:
    """The names of a program that has what the page defines."""
    names: dict[str, Any] = {"__name__": "__main__"}
    run(PROCESSES, names)
    return names


def run(block: str, names: dict[str, Any]) -> None:
    exec(block, names)  # noqa: S102


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The real one where there is one, else a stand-in."""
    if not why_absent("slurm"):
        yield
        return
    state = tmp_path / "state"
    use_fake("slurm", state, monkeypatch)
    yield
    engine.end_all(state)


def test_the_informal_test_and_the_load_test(
    page: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run(INFORMAL, page)
    assert capsys.readouterr().out.startswith("ok: a worker came after ")
    run(LOAD, page)
    run(RUN, page)
    assert "'lost': 0" in capsys.readouterr().out


def test_the_load_test_with_arrays(page: dict[str, Any], slurm: None) -> None:
    for block in (ARRAY, PATIENT, LOAD, "import time"):
        run(block, page)
    page["load_test"](page["PatientArray"])
