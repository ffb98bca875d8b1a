"""Which modules a source file imports, found without parsing it."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import pytest

from hpcbatch.use.own_modules import imported

LIBRARY = Path(sysconfig.get_paths()["stdlib"])


def parsed(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_none_of_the_standard_library_is_missed() -> None:
    files = sorted(LIBRARY.glob("*.py"))
    assert len(files) > 100
    for path in files:
        assert parsed(path) <= imported(str(path)), path


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a, b.c as d ,e", {"a", "b", "e"}),
        ("if x: import a; from b.c import (d,\n e)", {"a", "b"}),
        ("def f():\n\timport a, \\\n    b\n", {"a", "b"}),
        ("from . import a\nfrom .b import c\nfrom .. import d", set()),
        ("import größe", {"größe"}),
        ("important = 1\nimported.x = 2\nx = 'import'", set()),
        ("import a  # import b", {"a"}),
        ("\0 import a", set()),
    ],
)
def test_ways_to_import(tmp_path: Path, source: str, names: set[str]) -> None:
    path = tmp_path / "module.py"
    path.write_text(source, encoding="utf-8")
    assert imported(str(path)) == names
