"""Runs examples in a folder of their own, as this user or as an ordinary one."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from ..conftest import USER, USER_PYTHON

EXAMPLES = Path(__file__).parents[2] / "examples"
PASSED = ("PATH", "SGE_ROOT", "SGE_CELL")
CLUSTERS = [
    "local",
    pytest.param("slurm", marks=pytest.mark.slurm),
    pytest.param("sge", marks=pytest.mark.sge),
]


@dataclass(frozen=True)
class Place:
    """A folder with a copy of the examples, and how to run Python there."""

    folder: Path
    prefix: tuple[str, ...]
    python: str

    def run(self, *arguments: str, status: int = 0, inside: str = ".") -> str:
        """Standard output of Python with these arguments, run in the folder ``inside``."""
        ended = subprocess.run(
            [*self.prefix, self.python, *arguments],
            cwd=self.folder / inside,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert ended.returncode == status, f"{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def hpcbatch(self, *arguments: str, status: int = 0, inside: str = ".") -> str:
        program = "from hpcbatch.cli.entry_point import run; run()"
        return self.run("-c", program, *arguments, status=status, inside=inside)


@pytest.fixture(params=CLUSTERS)
def cluster(request: pytest.FixtureRequest) -> str:
    """This machine, and the real clusters where they are up."""
    return str(request.param)


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """As this user, with this Python."""
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    return Place(tmp_path / "examples", (), sys.executable)


@pytest.fixture
def with_sklearn(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Where scikit-learn is: this Python, or else that of the ordinary user."""
    if find_spec("sklearn"):
        yield request.getfixturevalue("here")
        return
    request.getfixturevalue("ordinary_user")
    if subprocess.run([USER_PYTHON, "-c", "import sklearn"], capture_output=True).returncode:
        pytest.skip("scikit-learn is not installed")
    folder = Path(tempfile.mkdtemp(prefix="examples-", dir=pwd.getpwnam(USER).pw_dir))
    try:
        yield _as_ordinary_user(folder)
    finally:
        shutil.rmtree(folder)


def _as_ordinary_user(folder: Path) -> Place:
    shutil.copytree(EXAMPLES, folder / "examples")
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, USER, USER)
    env = {name: os.environ[name] for name in PASSED if name in os.environ}
    env |= {"HOME": str(folder), "USER": USER, "LOGNAME": USER}
    env |= {"HPCBATCH_ROOT": f"{folder}/registry", "HPCBATCH_LOCAL_SPOOL": f"{folder}/spool"}
    (folder / "spool").mkdir(mode=0o700)
    shutil.chown(folder / "spool", USER, USER)
    change = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups")
    variables = (f"{name}={value}" for name, value in env.items())
    return Place(folder / "examples", (*change, "env", "-i", *variables), USER_PYTHON)
