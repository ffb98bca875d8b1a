"""The whole life of a task as an ordinary user has it, on every cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.cluster.conftest import engine, use_fake
from tests.conftest import USER_PYTHON

PROGRAM = Path(__file__).with_name("roundtrip.py")
JOBS = "24"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "cluster",
    [
        "local",
        pytest.param("slurm", marks=pytest.mark.slurm),
        pytest.param("sge", marks=pytest.mark.sge),
        pytest.param("drmaa", marks=[pytest.mark.sge, pytest.mark.long]),
    ],
)
def test_roundtrip_as_an_ordinary_user(
    cluster: str, ordinary_user: str, request: pytest.FixtureRequest
) -> None:
    if cluster == "drmaa":
        request.getfixturevalue("drmaa_library")
    with tempfile.TemporaryDirectory(prefix="hpcbatch-roundtrip-", dir="/var/tmp") as home:
        program = Path(home) / PROGRAM.name
        shutil.copy(PROGRAM, program)
        shutil.chown(home, ordinary_user)
        ended = subprocess.run(
            ["setpriv", f"--reuid={ordinary_user}", f"--regid={ordinary_user}", "--init-groups",
             "env", "-i", f"HOME={home}", f"USER={ordinary_user}", f"LOGNAME={ordinary_user}",
             f"PATH={os.environ['PATH']}", f"SGE_ROOT={os.environ.get('SGE_ROOT', '')}",
             f"HPCBATCH_LOCAL_SPOOL={home}",
             f"DRMAA_LIBRARY_PATH={os.environ.get('DRMAA_LIBRARY_PATH', '')}",
             USER_PYTHON, str(program), cluster, JOBS],
            cwd=home, capture_output=True, text=True, timeout=550, check=False,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"ok {cluster}:")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("cluster", "dialect"),
    [
        pytest.param("pbs", "", marks=pytest.mark.long),
        pytest.param("lsf", "openlava", marks=pytest.mark.long),
        pytest.param("lsf", "ibm", marks=pytest.mark.long),
        pytest.param("torque", "", marks=pytest.mark.long),
    ],
)
def test_roundtrip_on_a_fake(
    cluster: str, dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a scheduler that is nowhere at hand."""
    use_fake(cluster, tmp_path / "state", monkeypatch, dialect)
    monkeypatch.setenv("HOME", str(tmp_path))
    try:
        ended = subprocess.run(
            [sys.executable, str(PROGRAM), cluster, JOBS],
            cwd=tmp_path, capture_output=True, text=True, timeout=550, check=False,
        )  # fmt: skip
    finally:
        engine.end_all(tmp_path / "state")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"ok {cluster}:")
