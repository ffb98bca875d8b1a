"""What a task imports of installed packages, and what another environment has otherwise."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from hpcbatch.use.create import draft_task
from hpcbatch.use.requirements import _distributions, compared, requirements, tell_differences
from hpcbatch.words.errors import CodeWarning
from tests.core import install, run_script


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    _distributions.cache_clear()
    monkeypatch.syspath_prepend(folder)
    return folder


SCRIPT = """
import sys
sys.path.append({folder!r})
import beside
import yaml
import unused_one
from hpcbatch.use.create import draft_task
def job(x):
    import lazy_one
    return yaml.dump(x), beside.f(x)
for function in (job, beside.f, len):
    print(sorted(draft_task(function, ([1],), {{}}, None, None, None).imports))
"""
BESIDE = "import json, optional_one\nfrom other import g\ndef f(x):\n    import click\n"


def test_the_imports_of_a_function(tmp_path: Path, installed: Path) -> None:
    for name in ("lazy_one", "unused_one", "optional_one"):
        install(installed, name, "1.0", name)
    (tmp_path / "beside.py").write_text(BESIDE)
    (tmp_path / "other.py").write_text("def g(): pass\n")
    (tmp_path / "unneeded.py").write_text("import rich\n")
    ended = run_script(tmp_path, SCRIPT.format(folder=str(installed)))
    assert ended.returncode == 0, ended.stderr
    by_value, by_name, builtin = map(eval, ended.stdout.splitlines())
    assert by_value == ["click", "lazy_one", "optional_one", "yaml"]
    assert by_name == ["click", "optional_one"], "the script's own are not its"
    assert builtin == ["click", "optional_one"], "whatever of the modules beside it is needed"


def test_nothing_of_ours_is_a_requirement() -> None:
    assert not draft_task(eval("lambda x: x"), ([1],), {}, None, None, None).imports & {
        "cloudpickle",
        "hpcbatch",
    }


def test_distributions_and_versions(installed: Path) -> None:
    install(installed, "two-names", "2.5", "lab_a", "lab_b")
    install(installed, "shared-1", "1", "lab_c")
    install(installed, "shared-2", "2", "lab_c")
    assert requirements({"lab_a", "lab_b", "lab_c", "nowhere"}) == {
        "lab_a": {"two-names": "2.5"},
        "lab_b": {"two-names": "2.5"},
        "lab_c": {"shared-1": "1", "shared-2": "2"},
    }


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"lab_x": {"lab-x": "1.2.9"}}, []),
        ({"lab_x": {"lab-x": "1.3.0"}}, [("lab-x", "1.3.0", "1.2.3")]),
        ({"lab_x": {"lab-x": "2.2.3"}}, [("lab-x", "2.2.3", "1.2.3")]),
        ({"lab_x": {"lab-x": "1"}}, [("lab-x", "1", "1.2.3")]),
        ({"lab_x": {"lab-x-headless": "9.9"}}, []),
        ({"lab_x": {"lab-x": "9", "lab-y": "9"}}, []),
        ({"lab_z": {"lab-z": "1"}, "lab_zz": {"lab-z": "1"}}, [("lab-z", "1", "")]),
        ({"../x y": {"": "1", "../../etc": "2"}}, []),
        ({}, []),
    ],
    ids=range(9),
)
def test_what_is_absent_or_of_another_version(
    installed: Path, asked: Any, found: list[tuple[str, str, str]]
) -> None:
    install(installed, "lab-x", "1.2.3", "lab_x")
    assert compared(asked) == {"python": sys.executable, "differences": found}


def test_each_difference_is_told_once_a_site() -> None:
    told = {"python": "/venv/bin/python", "differences": [["a", "1.0", "2.0"], ["b", "3", ""]]}
    with pytest.warns(CodeWarning) as warned:
        tell_differences("ssh://once", told)
    text = str(warned[0].message)
    assert "a 1.0 is 2.0 there, b 3 is absent there" in text
    assert "/venv/bin/python -m pip install a==1.0 b==3 " in text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tell_differences("ssh://once", told)
    told["differences"] = [["a", "1.0", "2.0"], ["c\x1b[31m", "1", ""]]
    with pytest.warns(CodeWarning, match=r"otherwise: c \[31m 1 is absent") as warned:
        tell_differences("ssh://once", told)
    assert "a==" not in str(warned[0].message)
    with pytest.warns(CodeWarning, match="ssh://another"):
        tell_differences("ssh://another", told)
