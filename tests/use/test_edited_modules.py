"""Modules that were edited after they were imported: ``create`` says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HELPER = """
import functools

def kept(function):
    @functools.wraps(function)
    def called(*args):
        return function(*args)
    return called

if True:
    def double(x): return 2 * x
else:
    def double(x): return 0

class Model:
    @kept
    def step(self): return 1
    def run(self, how={"both", "a", "b", "c"}): return self.step() if how in {"both", "x"} else 0
"""
SCRIPT = """
import sys, warnings
from pathlib import Path
import helper
import hpcbatch as hb

old, new = sys.argv[1:]
file = Path(helper.__file__)
file.write_text(file.read_text().replace(old, new))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    hb.create(helper.double, [1, 2])
for warning in told:
    assert issubclass(warning.category, hb.CodeWarning)
    assert warning.filename == __file__, warning
    print(warning.message)
"""


@pytest.mark.parametrize(
    ("old", "new", "is_told"),
    [
        ("2 * x", "3 * x", True),
        ("return 1", "return 2", True),
        ("self.step()", "0", True),
        ("2 * x", "2 * x", False),
        ("return 0", "return 0  # never", False),
        ("import functools", "# a comment\n\nimport functools", False),
        ("class Model", "def more(): return 5\n\nclass Model", False),
        ("def run", "def ran", False),
        ('"both"', '"neither"', True),
    ],
)
def test_one_that_was_edited_is_told(tmp_path: Path, old: str, new: str, is_told: bool) -> None:
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "main.py").write_text(SCRIPT)
    ended = subprocess.run(
        [sys.executable, "main.py", old, new],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert ended.stdout.startswith("module helper edited after the import") is is_told
    assert is_told or not ended.stdout
