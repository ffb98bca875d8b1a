"""A project travels as a whole: what git knows, or all that is no by-product."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.use import project as projects
from hpcbatch.use.code import OUTSIDE, take_code
from hpcbatch.use.project import find_project, project_files
from hpcbatch.words.errors import CodeWarning, InputError
from tests.conftest import HOSTILE_NAMES
from tests.core import Case, run_python, run_script
from tests.local import Local

NONE = b"N."  # a pickle without words
SCRIPT = """
import json, sys
sys.path.insert(0, "{top}/src")  # as an editable installation does
import hpcbatch as hb
from model.core import run
task = hb.create(run, [1, 2], with_project=True)
print(json.dumps(task.id))
"""
CORE = """
from pathlib import Path
from . import made
HERE = Path(__file__).resolve()
class Answer:
    def __init__(self, x):
        self.x = x
def run(x):
    import subprocess
    import tools
    from plain import extra
    data = int((HERE.parents[2] / "data" / "table.txt").read_text())
    said = subprocess.run([HERE.parents[2] / "bin" / "tool.sh"], capture_output=True, check=True)
    return Answer(x + data + extra + tools.more + made.number + int(said.stdout))
"""


def git(folder: Path, *argv: str) -> None:
    own = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    named = ["-c", "user.name=x", "-c", "user.email=x@y", "-c", "protocol.file.allow=always"]
    command = ["git", "-C", str(folder), *named, *argv]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **own})


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A repository with the layout of src, scripts beside it, data, and what git ignores."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "the project"
    files = {
        ".gitignore": "*.big\n__pycache__/\nmade.py\n",
        "src/model/__init__.py": "",
        "src/model/core.py": CORE,
        "src/model/made.py": "number = 100000\n",
        "plain.py": "extra = 100\n",
        "scripts/tools.py": "more = 1000\n",
        "data/table.txt": "10",
        "data/huge.big": "x" * 1000,
        "bin/tool.sh": "#!/bin/sh\necho 10000\n",
        "notes/untracked.txt": "",
    }
    write(folder, **files)
    (folder / "bin" / "tool.sh").chmod(0o755)
    git(folder.parent, "init", "-q", str(folder))
    git(folder, "add", "src", "plain.py", "data", "bin", ".gitignore", "scripts")
    return folder


COLLECT = "import sys\nimport hpcbatch as hb\nfor one in hb.restore(sys.argv[1]).collect(): print(one.x)\n"  # noqa: E501


def test_elements_import_from_all_of_it_and_read_its_data(top: Path, tmp_path: Path) -> None:
    ended = run_script(top / "scripts", SCRIPT.format(top=top))
    assert ended.returncode == 0, ended.stderr
    assert "CodeWarning" not in ended.stderr
    case = Case(hb.restore(json.loads(ended.stdout.splitlines()[-1])))
    with zipfile.ZipFile(case.layout.code) as archive:
        names = set(archive.namelist())
        assert json.loads(archive.comment) == ["scripts", "src", "."]
    assert {"notes/untracked.txt", "plain.py", ".gitignore", "src/model/made.py"} <= names
    assert "data/huge.big" not in names
    shutil.rmtree(top)
    case.submit()
    assert case.run() == 0, case.log() + str(case.error(0))
    elsewhere = run_python(["-c", COLLECT, case.task.id], cwd=tmp_path)
    assert elsewhere.stdout.split() == ["111111", "111112"], elsewhere.stderr


def names_of(folder: Path) -> set[str]:
    return set(project_files(str(folder)))


def test_without_git_hidden_and_made_files_stay_here(top: Path) -> None:
    shutil.rmtree(top / ".git")
    made = (".env", ".hidden/x.py", "a/__pycache__/b.pyc", "old.pyc", "node_modules/m.js")
    write(top, **dict.fromkeys(made, ""))
    write(top, **{"venv/pyvenv.cfg": "", "venv/lib/x.py": "", "conda/conda-meta/history": ""})
    expected = {"src/model/__init__.py", "src/model/core.py", "src/model/made.py", "plain.py"}
    expected |= {"scripts/tools.py", "data/table.txt", "data/huge.big", "bin/tool.sh"}
    assert names_of(top) == expected | {"notes/untracked.txt"}


def test_a_machine_without_git(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(top))
    assert "data/huge.big" in names_of(top)


def test_an_environment_that_git_does_not_ignore_stays_here(top: Path) -> None:
    write(top, **{"env/pyvenv.cfg": "", "env/lib/x.py": "", "a/__pycache__/b.cpython-311.pyc": ""})
    assert not {name for name in names_of(top) if name.startswith(("env/", "a/"))}


def test_git_that_fails_is_told(top: Path) -> None:
    (top / ".git" / "HEAD").write_text("nonsense")
    with pytest.raises(InputError, match="git does not tell what belongs to"):
        project_files(str(top))


def test_links(top: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("")
    for name, target in {
        "same.py": "plain.py",
        "model": "src/model",
        "out": "../secret",
        "outer": "../",
        "gone": "nowhere",
        "ignored": "data/huge.big",
        "src/loop": "..",
    }.items():
        (top / name).symlink_to(target)
    with pytest.warns(CodeWarning) as told:
        files = project_files(str(top))
    assert os.path.samefile(files["same.py"], top / "plain.py")
    assert os.path.samefile(files["model/core.py"], top / "src/model/core.py")
    assert not {"out", "outer", "gone", "ignored", "src/loop"} & set(files)
    text = str(told[0].message)
    for part in (
        "out (a link that leaves the folder)",
        "outer (a link that leaves the folder)",
        "gone (a link to what does not travel)",
        "ignored (a link to what does not travel)",
        "src/loop (a link to a folder that it lies in)",
    ):
        assert part in text


def test_hostile_names(top: Path) -> None:
    names = [name.replace("/", "_") for name in HOSTILE_NAMES]
    write(top / "odd", **dict.fromkeys(names, "text"))
    assert {f"odd/{name}" for name in names} <= names_of(top)
    code = take_code(abs, NONE, top).archive
    assert code is not None
    with zipfile.ZipFile(io.BytesIO(code)) as archive:
        archive.extractall(top.parent / "node")
    assert sorted(os.listdir(top.parent / "node" / "odd")) == sorted(names)


@pytest.mark.parametrize("with_git", [True, False])
def test_what_cannot_travel_is_told(top: Path, with_git: bool) -> None:
    if not with_git:
        shutil.rmtree(top / ".git")
    with open(os.fsencode(str(top)) + b"/latin\xe9.txt", "wb"):
        pass
    os.mkfifo(top / "pipe")  # which git does not list
    with pytest.warns(CodeWarning, match="no UTF-8") as told:
        files = project_files(str(top))
    assert ("pipe (no ordinary file)" in str(told[0].message)) is not with_git
    assert "pipe" not in files


def test_files_that_vanish(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (top / "data" / "table.txt").unlink()  # git still has it
    assert "data/table.txt" not in names_of(top)
    write(top, **{"late.txt": ""})
    listed = project_files(str(top))
    (top / "late.txt").unlink()
    monkeypatch.setattr("hpcbatch.use.code.project_files", lambda folder: listed)
    code = take_code(abs, NONE, top).archive
    assert code is not None
    assert "late.txt" not in zipfile.ZipFile(io.BytesIO(code)).namelist()


def test_submodules_and_repositories_within(top: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write(other, **{"inner.py": "", ".gitignore": "left.py\n"})
    git(tmp_path, "init", "-q", str(other))
    git(other, "add", ".")
    git(other, "commit", "-q", "-m", "x")
    git(top, "submodule", "--quiet", "add", str(other), "sub")
    git(top, "submodule", "--quiet", "add", str(other), "empty")
    shutil.rmtree(top / "empty")
    (top / "empty").mkdir()
    write(top, **{"sub/left.py": "", "sub/deep/new.py": ""})
    shutil.copytree(other, top / "nested")
    with pytest.warns(CodeWarning, match=r"empty \(not checked out: git submodule update --init"):
        names = names_of(top)
    assert {"sub/inner.py", "sub/deep/new.py", "nested/inner.py"} <= names
    assert "sub/left.py" not in names


def test_the_same_files_make_the_same_archive(top: Path) -> None:
    first = take_code(abs, NONE, top).archive
    for folder, _, files in os.walk(top):
        for name in files:
            os.utime(os.path.join(folder, name), (1, 1))
    assert take_code(abs, NONE, top).archive == first


@pytest.mark.parametrize(
    ("limit", "told"), [("LARGEST", "data/ .* MiB.*data/big.bin"), ("MOST", r"data/ \(6 files\)")]
)
def test_what_is_too_large_is_named(
    top: Path, limit: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projects, limit, {"LARGEST": 2 << 20, "MOST": 10}[limit])
    write(top, **{f"data/{k}": "" for k in range(4)})
    with open(top / "data" / "big.bin", "wb") as file:
        file.truncate(3 << 20 if limit == "LARGEST" else 0)
    with pytest.raises(InputError, match=f"(?s){told}.*gitignore"):
        project_files(str(top))
    shutil.rmtree(top / ".git")
    with pytest.raises(InputError, match="name a smaller folder"):
        project_files(str(top))


def test_the_nearest_project_above_is_found(top: Path, tmp_path: Path) -> None:
    assert find_project(True, [str(top / "src" / "model")]) == str(top)
    write(top, **{"scripts/pyproject.toml": ""})
    assert find_project(True, [str(top / "scripts")]) == str(top / "scripts")
    assert find_project(str(top / "data"), []) == str(top / "data")
    for asked in ("", str(top / "none"), str(top / "plain.py")):
        with pytest.raises(InputError, match="is no folder"):
            find_project(asked, [])
    with pytest.raises(InputError, match="name the folder"):
        find_project(True, ["/"])
    with pytest.raises(InputError, match="with_project"):
        hb.create(abs, [1], with_project=["x"])  # type: ignore[arg-type]


def test_a_function_outside_of_the_project_goes_along(top: Path, tmp_path: Path) -> None:
    source = "import hpcbatch as hb\nimport beside\nprint(hb.create(beside.run, [1], with_project={!r}).id)"  # noqa: E501
    outside = tmp_path / "outside"
    write(outside, **{"beside.py": "def run(x):\n    import plain\n    return plain.extra + x\n"})
    ended = run_script(outside, source.format(str(top)))
    assert ended.returncode == 0, ended.stderr
    case = Case(hb.restore(ended.stdout.strip()))
    with zipfile.ZipFile(case.layout.code) as archive:
        assert f"{OUTSIDE}/beside.py" in archive.namelist()
    case.submit()
    assert case.run() == 0, case.log() + str(case.error(0))
    assert case.values() == {0: 101}


JOBS = """
import tools
from model.core import HERE
def first(x):
    raise ValueError("to be mended")
def second(x):
    import plain
    return x + plain.extra + tools.more + int((HERE.parents[2] / "data/table.txt").read_text())
"""


def test_the_command_line_on_this_machine(top: Path, local: Local) -> None:
    write(top, **{"scripts/jobs.py": JOBS, "src/model/core.py": CORE.replace("from . import", "#")})

    def run(status: int, *argv: str) -> None:
        ended = run_python(["-m", "hpcbatch", *argv], cwd=top)
        assert ended.returncode == status, ended.stderr

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(top / "src"))  # as an editable installation does
        jobs = ["--arg", "x=1,2", "-c", "local", "--chunk", "2", "--wait"]
        run(1, "map", "scripts/jobs.py:first", *jobs, "--with-project")
        (top / "data" / "table.txt").write_text("20")
        mended = ["--function", "scripts/jobs.py:second", "--with-project", str(top)]
        run(0, "resubmit", "last", *mended, "--wait")
    assert hb.restore("last").collect() == [1121, 1122]


def test_git_that_does_not_answer_is_told(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(*_: Any, **__: Any) -> Any:
        raise hb.CommandTimeout("git did not answer within 120 s")

    monkeypatch.setattr(projects, "run", hangs)
    with pytest.raises(hb.InputError, match="git did not answer"):
        project_files(str(top))
