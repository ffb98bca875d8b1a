"""The user's own modules travel as source; scripts and notebooks by value."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from tests.core import Case, run_python, run_script

TAIL = """
import json, sys
print(json.dumps(task.id))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    package = folder / "model"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("from .core import run, Answer\n")
    (package / "core.py").write_text(
        "from pathlib import Path\n"
        "from .deep.inner import factor\n"
        "class Answer:\n"
        "    def __init__(self, x):\n"
        "        self.x = x\n"
        "def run(x):\n"
        "    from . import lazy\n"
        "    data = Path(__file__).with_name('table.txt').read_text()\n"
        "    return Answer(x * factor + lazy.extra + int(data))\n"
    )
    (package / "deep" / "__init__.py").write_text("")
    (package / "deep" / "inner.py").write_text("from ..core_constants import factor\n")
    (package / "core_constants.py").write_text("factor = 10\n")
    (package / "lazy.py").write_text("import lonely\nextra = lonely.extra\n")
    (package / "table.txt").write_text("1000")
    (folder / "lonely.py").write_text("extra = 7\n")
    (folder / "unused.py").write_text("raise SystemExit('never imported')\n")
    (folder / "big.bin").write_bytes(bytes(1000))
    return folder


def created(folder: Path, source: str, **more: Any) -> Case:
    ended = run_script(folder, source + TAIL, **more)
    assert ended.returncode == 0, ended.stderr
    return Case(hb.restore(json.loads(ended.stdout.splitlines()[-1])))


def ran(case: Case) -> dict[int, bytes]:
    case.submit()
    assert case.run() == 0, case.log()
    return case.pickles()


WITH_WARNINGS = """
import warnings
import hpcbatch as hb
from model import run
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    task = hb.create(run, [1, 2])
assert any("no UTF-8" in str(one.message) for one in told), told
"""


def test_a_file_that_cannot_travel_is_told_and_left_behind(project: Path) -> None:
    with open(os.fsencode(project / "model") + b"/caf\xe9.dat", "wb") as file:
        file.write(b"1")
    case = created(project, WITH_WARNINGS)
    with zipfile.ZipFile(case.layout.code) as archive:
        names = archive.namelist()
    assert "model/table.txt" in names
    assert not any("caf" in name for name in names)


OUTSIDE = """
import sys, typing, warnings
sys.path.insert(0, {outside!r})
import far, only_typed
import hpcbatch as hb
from tool import run
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    task = hb.create(run, [1, 2])
assert [str(one.message).split()[1] for one in told] == ["'far'"], told
"""
TOOL = """
from typing import TYPE_CHECKING
import far
if TYPE_CHECKING:
    import only_typed

class Proxy:  # of a request, say, and there is none
    def __getattribute__(self, name):
        raise RuntimeError(name)

proxy = Proxy()

def run(x):
    return far.extra + x
"""


def test_what_a_functions_file_has_imported_from_elsewhere_is_told(
    project: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("far", "only_typed"):
        (outside / f"{name}.py").write_text("extra = 5\n")
    (project / "tool.py").write_text(TOOL)
    created(project, OUTSIDE.format(outside=str(outside)))


COLLECT = """
import sys
import hpcbatch as hb
for found in hb.restore(sys.argv[1]).collect():
    print(getattr(found, "x", found))
"""


def test_a_package_beside_the_script_with_relative_imports_and_data(project: Path) -> None:
    case = created(
        project,
        "import hpcbatch as hb\nfrom model import run\ntask = hb.create(run, [1, 2])\n",
    )
    with zipfile.ZipFile(case.layout.code) as archive:
        names = set(archive.namelist())
    assert "model/table.txt" in names
    assert "lonely.py" in names, "imported by a function only"
    assert not {"unused.py", "big.bin", "main.py"} & names
    shutil.rmtree(project)  # the nodes have only what travelled
    assert len(ran(case)) == 2
    elsewhere = run_python(["-c", COLLECT, case.task.id])
    assert elsewhere.returncode == 0, elsewhere.stderr
    assert elsewhere.stdout.split() == ["1017", "1027"]


def test_modules_are_those_of_the_moment_of_creation(project: Path) -> None:
    lonely = "import hpcbatch as hb\nimport lonely\ndef f(x):\n    return lonely.extra + x\ntask = hb.create(f, [1])\n"  # noqa: E501
    case = created(project, lonely)
    (project / "lonely.py").write_text("extra = 'changed'\n")
    ran(case)
    assert case.values() == {0: 8}


def test_functions_and_classes_of_a_script_travel_by_value(project: Path) -> None:
    case = created(
        project,
        """
import hpcbatch as hb
import math
from dataclasses import dataclass
LIMIT = 5
@dataclass
class Point:
    x: int
def helper(x):
    return Point(x + LIMIT + math.floor(0.5))
def job(x):
    import lonely
    return helper(x).x + lonely.extra
if __name__ == "__main__":
    task = hb.create(job, [1, 2])
""",
    )
    shutil.rmtree(project)
    ran(case)
    assert case.values() == {0: 13, 1: 14}


def test_a_result_of_the_scripts_own_class_is_of_that_class_in_the_same_session(
    project: Path,
) -> None:
    source = """
import sys
sys.path.insert(0, sys.argv[1])
import hpcbatch as hb
from model import Answer, run
from tests.core import Case
class Own:
    def __init__(self, x):
        self.x = x
def both(x):
    return Own(x), run(x)
case = Case.of(both, [1])
case.submit()
assert case.run() == 0, case.log()
((own, answer),) = case.task.collect()
print(type(own) is Own, type(answer) is Answer, own.x, answer.x)
"""
    ended = run_script(project, source, str(Path(__file__).parents[2]))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["True", "True", "1", "1017"]


def test_a_session_without_a_file_as_a_notebook_has_it(project: Path) -> None:
    source = """
import hpcbatch as hb
import lonely
class Own:
    def __init__(self, x):
        self.x = x
def job(x):
    return Own(x).x + 1
task = hb.create(job, [1])
print(task.id)
"""
    ended = run_python(["-c", source], cwd=project)
    assert ended.returncode == 0, ended.stderr
    case = Case(hb.restore(ended.stdout.strip()))
    assert "interactive" in case.task.spec.function
    ran(case)
    assert case.values() == {0: 2}


def test_a_notebook_that_uses_a_module_beside_it(project: Path) -> None:
    source = "import hpcbatch as hb\nimport lonely\ndef job(x):\n    return lonely.extra + x\ntask = hb.create(job, [1])\nprint(task.id)\n"  # noqa: E501
    ended = run_python(["-c", source], cwd=project)
    assert ended.returncode == 0, ended.stderr
    case = Case(hb.restore(ended.stdout.strip()))
    shutil.rmtree(project)
    case.submit()
    assert case.run() == 0, case.log() + str(case.error(0))
    assert case.values() == {0: 8}


def test_a_project_of_only_builtins_ships_nothing() -> None:
    ended = run_python(["-c", "import hpcbatch as hb; print(hb.create(abs, [1]).id)"])
    assert ended.returncode == 0, ended.stderr
    task = hb.restore(ended.stdout.strip())
    assert not os.path.exists(f"{task.folder}/code.zip")


def test_modules_that_are_too_large_are_refused(project: Path) -> None:
    with open(project / "model" / "huge.bin", "wb") as file:
        file.truncate(65 << 20)
    ended = run_script(
        project, "import hpcbatch as hb\nfrom model import run\nhb.create(run, [1])\n"
    )
    assert "larger than 64 MiB" in ended.stderr
    assert "huge.bin" in ended.stderr
    assert hb.tasks() == []


def test_a_module_that_fails_to_import_on_the_node_is_every_jobs_error(project: Path) -> None:
    (project / "fragile.py").write_text(
        "import os\n"
        "if 'ON_NODE' in os.environ:\n    raise RuntimeError('no such licence')\n"
        "def run(x):\n    return x\n"
    )
    case = created(
        project, "import hpcbatch as hb\nfrom fragile import run\ntask = hb.create(run, [1, 2])\n"
    )
    case.submit()
    assert case.run(env={"ON_NODE": "1"}) == 1
    assert case.states() == ["error", "error"]
    kind, message, trace = case.error(1)
    assert (kind, message) == ("RuntimeError", "no such licence")
    assert "fragile.py" in trace
