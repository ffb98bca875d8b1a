"""The notebook runs in a kernel, and the search on each cluster, as they stand."""

from __future__ import annotations

import json
import re

from .conftest import Place

EXECUTE = """
import sys
import nbclient
import nbformat

notebook = nbformat.read(sys.argv[1], 4)
assert all(not cell.get("outputs") for cell in notebook.cells), "it is kept without its outputs"
nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
for cell in notebook.cells:
    for output in cell.get("outputs", []):
        told = output.get("text") or output["data"].get("text/html") or output["data"]["text/plain"]
        print(told.rstrip())
"""
POOL = """
import hpcbatch as hb
pool = hb.Controller("local", 1, name="mine")
pool.show(0.1)
---
async def power():
    return await pool.submit(pow, 2, 10)
print(await power(), pool.map(abs, [-1, -2]))
---
pool.terminate()
import threading
[each.join(60) for each in threading.enumerate() if each.name == "hpcbatch-show"]
"""


def executed(here: Place, notebook: str) -> str:
    """What its cells show, in a kernel of its own."""
    (here.folder / "execute.py").write_text(EXECUTE)
    return here.run("execute.py", notebook)


def test_the_notebook_runs_in_a_kernel(here: Place) -> None:
    told = executed(here, "notebook/walks.ipynb")
    lines = [line.split() for line in told.splitlines()]
    assert [int(words[0]) for words in lines if words[:1] and words[0].isdigit()] == [
        10, 40, 160, 640
    ]  # fmt: skip


def test_a_pool_in_a_kernel(here: Place) -> None:
    """It can be awaited, and its table is kept up to date."""
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "outputs": [], "source": source,
         "execution_count": None}
        for n, source in enumerate(POOL.split("---"))
    ]  # fmt: skip
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (here.folder / "pool.ipynb").write_text(json.dumps(notebook))
    told = executed(here, "pool.ipynb")
    assert "1024 [1, 2]" in told
    assert "mine" in told
    assert "closed" in told


def test_the_search_of_the_pool_finds_the_lowest_point(here: Place, cluster: str) -> None:
    told = here.run("search.py", "--cluster", cluster, inside="pool")
    found = re.search(r"the lowest: (\d+\.\d+)", told)
    assert found
    assert float(found[1]) < 0.1
    assert told.count("round ") == 8
