"""``hpcbatch demo``, end to end and piece by piece."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from hpcbatch.cli import demo_study as study

from .conftest import Place

SOURCE = '''"""A module."""

def plain():
    """Documented."""
    return len([1 for _ in range(3) if _ > 1])

def branched(x, y):
    if x and y:
        return 1
    for _ in x:
        assert y
    match x:
        case 1:
            pass
        case _:
            pass

class _Hidden:
    def __init__(self): ...
'''


def test_the_demo_runs_only_the_unfinished_again(here: Place, cluster: str) -> None:
    told = json.loads(here.hpcbatch("demo", "--limit", "24", "--cluster", cluster, "--json"))

    assert told["counts"]["done"] + told["counts"]["error"] == told["files"] == 24
    assert sum(told["attempts"].values()) == 24
    assert told["kept"] <= told["attempts"]["1"]
    assert told["repeated"] == 0
    assert sum(told["errors"].values()) == told["counts"]["error"]
    assert len(told["most_complex"]) == 10
    if find_spec("matplotlib"):
        picture = (here.folder / told["picture"]).read_bytes()
        assert picture.startswith(b"\x89PNG")
    else:
        assert told["picture"] is None


def test_the_demo_tells_a_story(here: Place) -> None:
    told = here.hpcbatch("demo", "--limit", "14", "--output", "p.png")
    for sentence in ("14 source files", "Cancelled.", "these run again: 0", "most complex modules"):
        assert sentence in told
    assert "Jobs that failed" in told or "No job failed" in told


def test_without_matplotlib_one_sentence_says_how_to_get_it(
    here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError('absent')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    told = here.hpcbatch("demo", "--limit", "10", "--output", "p.png")
    assert "pip install 'hpcbatch[demo]'" in told
    assert not (here.folder / "p.png").exists()


def test_a_picture_that_cannot_be_written_is_told_first(here: Place, own_registry: Path) -> None:
    here.hpcbatch("demo", "--limit", "10", "--output", "absent/p.png", status=5)
    assert not own_registry.exists()


def test_a_file_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(SOURCE)
    assert study.measure(str(path)) == {
        "lines": 16,
        "functions": 3,
        "complexity": 8,
        "hardest": ("branched", 7),
        "documented": 2 / 3,
        "calls": {"len": 1, "range": 1},
    }


def test_a_file_that_is_no_python_fails(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_bytes(b"print 'old'\n")
    with pytest.raises(SyntaxError):
        study.measure(str(path))


@pytest.mark.parametrize("limit", [2, 3, 10, 99, 100, 1000, None])
def test_a_choice_of_files_is_spread_and_has_bad_ones(limit: int | None) -> None:
    paths = [f"/lib/m{k:03}.py" for k in range(98)] + ["/lib/t/bad_a.py", "/lib/t/badsyntax.py"]
    chosen = study.choose(paths, limit)
    assert len(set(chosen)) == len(chosen) == min(limit or 100, 100)
    assert set(chosen) <= set(paths)
    assert any("bad" in path for path in chosen)


def test_modules_have_their_names() -> None:
    assert study.module_name("/lib/json/__init__.py", "/lib") == "json"
    assert study.module_name("/lib/json/tool.py", "/lib") == "json.tool"


def test_the_library_is_found() -> None:
    folder = study.library_folder()
    names = {study.module_name(path, folder) for path in study.source_files(folder)}
    assert {"json", "ast", "email.message"} <= names
    assert not any("site-packages" in name for name in names)
