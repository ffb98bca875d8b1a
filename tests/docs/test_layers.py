"""The picture of the layers is that of the sources."""

from __future__ import annotations

import runpy
from typing import Any

import pytest

from tests.core import ROOT


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs/layers.py"))


def test_the_picture_of_the_layers_is_kept(script: dict[str, Any]) -> None:
    told = "imports have changed: run python docs/layers.py, and look at the picture"
    assert script["PICTURE"].read_text(encoding="utf-8") == script["drawn"](), told


def test_every_folder_is_in_the_picture(script: dict[str, Any]) -> None:
    folders = {path.parent.name for path in (ROOT / "hpcbatch").glob("*/__init__.py")}
    assert {name for layer in script["layers"]() for name in layer} == folders


def test_no_lower_layer_imports_a_higher_one(script: dict[str, Any]) -> None:
    height = {name: -at for at, layer in enumerate(script["layers"]()) for name in layer}
    counts = script["imports"]()
    assert counts["cli", "sites"] > 0
    assert counts["use", "cluster"] > 0
    assert [pair for pair in counts if height[pair[0]] <= height[pair[1]]] == []
