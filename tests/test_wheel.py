"""The wheel holds what the checkout has: modules, templates, pages of the dashboard.

That it works is told by whatever runs as the ordinary user, who has nothing else of ours
(tests/clusters/user.sh).
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from tests.core import ROOT


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


@pytest.fixture(scope="module")
def wheel(unpacked: Path) -> set[str]:
    """The names of all files in it."""
    return {str(path.relative_to(unpacked)) for path in files_below(unpacked)}


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


def test_its_templates_are_found(unpacked: Path, tmp_path: Path) -> None:
    code = (
        "from hpcbatch.cluster.schedulers import get_scheduler, scheduler_names\n"
        "from hpcbatch.cluster.scripts import _environment, template_folders\n"
        f"assert template_folders()[-1].startswith({str(unpacked)!r}), template_folders()\n"
        "for name in scheduler_names():\n"
        "    _environment().get_template(get_scheduler(name).template)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(unpacked)}
    subprocess.run([sys.executable, "-c", code], env=env, cwd=tmp_path, check=True, timeout=60)


def files_below(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in found if "__pycache__" not in path.parts]
