"""The wheel holds what the checkout has: modules, templates, pages of the dashboard.

That it works is told by whatever runs as the ordinary user, who has nothing else of ours
(tests/clusters/user.sh).
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from tests.core import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all files in it."""
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def test_nothing_of_ours_is_left_out(wheel: set[str]) -> None:
    modules = {str(path.relative_to(ROOT)) for path in files_below(ROOT / "hpcbatch")}
    templates = {f"hpcbatch/templates/{path.name}" for path in files_below(ROOT / "templates")}
    ours = {name for name in wheel if name.startswith("hpcbatch/")}

    assert ours == modules | templates
    assert {"hpcbatch/templates/element.sh.j2", "hpcbatch/py.typed"} <= ours
    assert any(
        name.startswith("hpcbatch/server/dashboard/") and name.endswith(".html") for name in ours
    )


def test_nothing_else_is_in_it(wheel: set[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    (information,) = tops - {"hpcbatch"}
    assert information.endswith(".dist-info")
    assert {f"{information}/entry_points.txt", f"{information}/licenses/LICENSE"} <= wheel


def files_below(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in found if "__pycache__" not in path.parts]
