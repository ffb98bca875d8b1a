"""What all tests share: a registry of their own, real clusters by marker, hostile names."""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from hpcbatch.cluster.schedulers import get_scheduler

IS_LONG = os.environ.get("HPCBATCH_CHAOS") == "long"  # make chaos: more of what is at random

# without a deadline: the machine may be busy
hypothesis.settings.register_profile("hpcbatch", deadline=None, max_examples=300 if IS_LONG else 30)
hypothesis.settings.load_profile("hpcbatch")
# a worker of xdist is a program without a file, as a notebook is: with each task of a test all of
# our own tests would travel, a second of parsing and packing
vars(sys.modules["__main__"]).setdefault("__file__", pytest.__file__)
# as in an activated environment: python3 is this one, and no shim that costs a tenth of a second
os.environ["PATH"] = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"

REQUIRED = set(filter(None, os.environ.get("HPCBATCH_TEST_REQUIRE", "").split(",")))
REAL = {
    "slurm": ["sinfo", "-h", "-o", "%T"],
    "sge": ["qhost"],
    "chromium": ["chromium", "--version"],
}
INSTALLED_BY = {"slurm": "slurm.sh start", "sge": "sge.sh start", "chromium": "tools.sh"}
MARKS = {"drmaa": "sge"}  # of schedulers that are tested on another's cluster
USER = "hpctest"
SSHD = "/usr/sbin/sshd"
USER_PYTHON = "/opt/hpcbatch-testbed/venv/bin/python"

HOSTILE_NAMES = [
    "plain",
    "two words",
    "quote ' and \" quote",
    "semi;colon $(touch pwned) `touch pwned`",
    "line\nbreak\ttab",
    "back\\slash",
    "ünïcödé 漢字 🎉",
    "-n --option",
    "../../up",
    "\x1b[31mred",
]


@pytest.fixture(autouse=True)
def own_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test touches the registry, the configuration or the spool of whoever runs it."""
    root = tmp_path / "registry"
    monkeypatch.setenv("HPCBATCH_ROOT", str(root))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("HPCBATCH_CONFIG", raising=False)
    spool = tmp_path / "local-spool"
    spool.mkdir(mode=0o700)
    monkeypatch.setenv("HPCBATCH_LOCAL_SPOOL", str(spool))
    monkeypatch.setenv("HPCBATCH_DRMAA_SPOOL", str(tmp_path / "drmaa-spool"))
    return root


@pytest.fixture(params=HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def hostile_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _group(nodeid: str) -> str:
    """What one worker runs: a file, and where it tests every scheduler, one scheduler of it."""
    scheduler = re.search(r"\[(\w+-(?:fake|real|here)(?:-ibm|-openlava)?)", nodeid)
    return nodeid.partition("::")[0] + (f" {scheduler[1]}" if scheduler else "")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Not by marks, which xdist loses where pytest's identifiers are not plain texts (9.2)."""
    if config.getvalue("dist") != "load":  # -n alone
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    config.option.loadscopereorder = False  # they are in order
    return ByGroup(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups that take long, which mostly wait, come early, so that none is left to a single worker
    at the end; each has a quick one beside it, so that the machine has something to do."""
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(_group(item.nodeid), []).append(item)
    waits = _marked(groups, *REAL)
    slow = [*waits, *(group for group in _marked(groups, "slow") if group not in waits)]
    quick = [group for group in groups if group not in slow]
    pairs = zip_longest(slow, quick, fillvalue="")
    items[:] = [item for pair in pairs for group in pair for item in groups.get(group, ())]


def pytest_collection_finish() -> None:
    """What was loaded stays: no collection of garbage walks over it again."""
    gc.collect()
    gc.freeze()


def _marked(groups: dict[str, list[pytest.Item]], *marks: str) -> list[str]:
    return [
        group
        for group, items in groups.items()
        if any(item.get_closest_marker(mark) for item in items for mark in marks)
    ]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked with a cluster, or a browser, runs where that is up; else it is skipped, or
    fails where HPCBATCH_TEST_REQUIRE names it."""
    for name in REAL:
        if item.get_closest_marker(name) and (reason := why_absent(name)):
            if name in REQUIRED:
                pytest.fail(f"{name} is required and {reason}", pytrace=False)
            pytest.skip(reason)
    if item.get_closest_marker("sshd") and (reason := why_no_sshd()):
        if "sshd" in REQUIRED:
            pytest.fail(f"sshd is required and {reason}", pytrace=False)
        pytest.skip(reason)


@cache
def why_no_sshd() -> str:
    """Why there can be no sshd of a test's own, before another user; empty when there can."""
    if not os.path.exists(SSHD):
        return f"{SSHD} is not installed (tests/clusters/tools.sh, as root)"
    if os.getuid() == 0 and not os.path.exists(USER_PYTHON):
        return f"there is no {USER_PYTHON} (tests/clusters/user.sh WHEEL)"
    return ""


@cache
def why_absent(cluster: str) -> str:
    """Why a real cluster, or a browser, cannot be used here; empty when it answers."""
    argv = REAL[cluster]
    if shutil.which(argv[0]) is None:
        return f"{argv[0]} is not installed (tests/clusters/{INSTALLED_BY[cluster]}, as root)"
    try:
        asked = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return f"{argv[0]} does not answer"
    return f"{argv[0]} fails: {asked.stderr.strip()}" if asked.returncode else ""


DEBIANS_DRMAA = {
    "DRMAA_LIBRARY_PATH": "/usr/lib/gridengine-drmaa/lib/libdrmaa.so.1.0",
    "SGE_ROOT": "/var/lib/gridengine",
}


@pytest.fixture
def drmaa_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library of Grid Engine, which wants to know the cell; Debian's programs know theirs."""
    for name, usual in DEBIANS_DRMAA.items():
        if name not in os.environ and os.path.exists(usual):
            monkeypatch.setenv(name, usual)
    if not get_scheduler("drmaa").is_here():
        reason = "there is no DRMAA library (DRMAA_LIBRARY_PATH)"
        pytest.fail(reason, pytrace=False) if "sge" in REQUIRED else pytest.skip(reason)


@pytest.fixture
def ordinary_user() -> str:
    """The name of an ordinary user with an environment of its own (tests/clusters/user.sh)."""
    reason = ""
    if os.getuid() != 0:
        reason = "only root can become another user"
    elif not os.path.exists(USER_PYTHON):
        reason = f"there is no {USER_PYTHON} (tests/clusters/user.sh WHEEL)"
    if reason and "user" in REQUIRED:
        pytest.fail(f"an ordinary user is required and {reason}", pytrace=False)
    if reason:
        pytest.skip(reason)
    return USER
