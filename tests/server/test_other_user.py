"""Somebody else, with an account of their own, comes to a server in front of real clusters."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import USER_PYTHON

from .conftest import Server, running

pytestmark = pytest.mark.slow

PROGRAM = """
import os, sys
import hpcbatch as hb

gate = sys.argv[2]

def job(k):
    if k == 3 and not os.path.exists(gate):
        raise ValueError("three is bad")
    return k * k, os.getuid()

site = hb.connect("lab")
task = hb.create(job, range(8), name="Mine", site=site)
task.submit(sys.argv[1], chunk=4)
assert task.wait(120, progress=False).counts["error"] == 1
[error] = task.errors()
assert (error.index, error.type) == (3, "ValueError")
open(gate, "w").close()
task.resubmit()
task.wait(120, progress=False)
found = task.collect()
assert [square for square, _ in found] == [k * k for k in range(8)]
assert [one.id for one in hb.tasks(site=site)] == [task.id]
print("ran as", {uid for _, uid in found}, "asked as", os.getuid())
"""


class Person:
    """An account without rights, with a home for one test."""

    def __init__(self, name: str, home: str):
        self.name, self.home = name, home

    def run(self, *argv: str) -> str:
        done = subprocess.run(
            ["setpriv", f"--reuid={self.name}", f"--regid={self.name}", "--init-groups",
             "env", "-i", f"HOME={self.home}", f"USER={self.name}", f"LOGNAME={self.name}",
             f"PATH={os.environ['PATH']}", USER_PYTHON, *argv],
            cwd=self.home, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (argv, done.stdout, done.stderr)
        return done.stdout


@pytest.fixture
def person(ordinary_user: str) -> Iterator[Person]:
    with tempfile.TemporaryDirectory(prefix="hpcbatch-person-", dir="/var/tmp") as home:
        shutil.chown(home, ordinary_user)
        yield Person(ordinary_user, home)


@pytest.mark.parametrize("cluster", ["local", pytest.param("slurm", marks=pytest.mark.slurm)])
def test_a_key_is_all_that_it_takes(cluster: str, person: Person) -> None:
    person.run("-m", "hpcbatch", "keys", "new")
    public = f"{person.home}/.config/hpcbatch/key.pub"
    with tempfile.TemporaryDirectory(prefix="hpcbatch-served-", dir="/var/tmp") as folder:
        os.chmod(folder, 0o711)  # its tasks go in, and nobody reads what is there
        with running(Path(folder) / "root") as server:
            card = _added(server, public)
            person.run("-m", "hpcbatch", "site", "add", card, "--name", "lab")
            told = person.run("-c", PROGRAM, cluster, f"{person.home}/gate")
    assert told.startswith(f"ran as {{{os.getuid()}}} asked as ")


def _added(server: Server, public: str) -> str:
    added = server.run("keys", "add", public, "--name", "person")
    assert added.returncode == 0, added.stderr
    return added.stdout.strip()
