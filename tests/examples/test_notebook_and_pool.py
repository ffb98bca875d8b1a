"""The notebook's cells and the search run as they stand; the search on each cluster."""

from __future__ import annotations

import json
import re

from .conftest import Place


def test_the_cells_of_the_notebook_run(here: Place) -> None:
    notebook = json.loads((here.folder / "notebook/walks.ipynb").read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    shown = "\ntask._repr_html_()\n"  # as a notebook shows what stands last in a cell
    program = shown.join("".join(cell["source"]) for cell in cells[1:])
    (here.folder / "cells.py").write_text("".join(cells[0]["source"]) + "\n" + program)

    told = here.run("cells.py").splitlines()

    assert [int(line.split()[0]) for line in told] == [10, 40, 160, 640]
    assert all(not cell["outputs"] for cell in cells), "a notebook is kept without its outputs"


def test_the_search_of_the_pool_finds_the_lowest_point(here: Place, cluster: str) -> None:
    told = here.run("search.py", "--cluster", cluster, inside="pool")
    found = re.search(r"the lowest: (\d+\.\d+)", told)
    assert found
    assert float(found[1]) < 0.1
    assert told.count("round ") == 8
