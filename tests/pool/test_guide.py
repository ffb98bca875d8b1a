"""The code of docs/writing-a-launcher.md does what the page says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hpcbatch.pool.launchers import find_launcher, launcher_names
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


@pytest.mark.parametrize(
    "cluster", [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("slurm", "sge")]
)
def test_the_load_test_on_a_real_cluster(page: dict[str, Any], cluster: str) -> None:
    run(LOAD.replace("launcher=launcher", "cluster=launcher"), page)
    run("import time", page)
    page["load_test"](cluster)


def test_a_launcher_of_another_package(
    page: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_package.py").write_text(PROCESSES)
    told = tmp_path / "my_package-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(
        "[hpcbatch.launchers]\nprocesses = my_package:Processes\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert launcher_names() == ["processes"]
    assert type(find_launcher("processes")).__module__ == "my_package"
