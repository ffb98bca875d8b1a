"""Modules that were edited after they were imported: ``create`` says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HELPER = """
import functools

SIZE = 3
COUNT = 0
PAIR: tuple = (1, None)

def count():
    global COUNT
    COUNT += 1

def plain(): return 1

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

# the end
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
        ("SIZE = 3", "SIZE = 4", True),
        ("SIZE = 3", "SIZE = 3.0", True),
        ("SIZE = 3", "SIZE = 1 + 2", False),
        ("COUNT = 0", "COUNT = 1", False),
        ("PAIR: tuple = (1, None)", "PAIR: tuple = (1, True)", True),
        ("# the end", "def plain(): return 2", True),
        ("# the end", "plain = lambda: 2", True),
        ("# the end", "plain = kept(plain)", False),
        ("# the end", "from os import getpid as plain", True),
        ("# the end", "if SIZE > 5:\n    def plain(): return 2", False),
        ("# the end", "SIZE += 1", False),
        ("# the end", "from os.path import *", False),
        ("# the end", "plain = functools.partial(max, 1)", False),
        ("# the end", "other = (SIZE := 3)", False),
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


SESSION = """
import warnings
import hpcbatch as hb

def f(x, y=1): return x + y
task = hb.create(f, [1])
for source in ("def f(x, y=1): return x + y", "def f(x, y=2): return x + y", "f = None", "pass"):
    exec(source)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        task.resubmit(only="error")
    print(len(told), *(warning.message for warning in told))
assert told == []
"""


def test_a_function_that_was_defined_anew_is_told_at_a_resubmission(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SESSION],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    same, other, *rest = ended.stdout.splitlines()
    assert same == "0"
    assert other.startswith("1 f was defined anew since the task was made")
    assert rest == ["0", "0"]


def test_an_edit_is_told_each_time(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "main.py").write_text(
        "import helper, hpcbatch as hb\n"
        "from pathlib import Path\n"
        "file = Path(helper.__file__)\n"
        "for factor in (3, 4):\n"
        "    file.write_text(file.read_text().replace('* x', f'* {factor} * x'))\n"
        "    hb.create(helper.double, [1])\n"
    )
    ended = subprocess.run(
        [sys.executable, "main.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert ended.stderr.count("main.py:6: CodeWarning: module helper edited") == 2


def test_what_lies_beside_a_script_is_told_at_a_resubmission(tmp_path: Path) -> None:
    folder = tmp_path / "my (new)"
    folder.mkdir()
    (folder / "lib.py").write_text("def half(x): return x / 0\n")
    (folder / "main.py").write_text(
        "import lib, hpcbatch as hb\n"
        "from pathlib import Path\n"
        "def f(x): return lib.half(x)\n"
        "task = hb.create(f, [1])\n"
        "for factor in (0, 2):\n"
        "    Path(lib.__file__).write_text(f'def half(x): return x / {factor}\\n')\n"
        "    task.resubmit(only='error')\n"
    )
    ended = subprocess.run(
        [sys.executable, "main.py"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert ended.stderr.count("CodeWarning") == 1
    assert "changed since the task was made: lib.py. Its jobs run what was sent" in ended.stderr
