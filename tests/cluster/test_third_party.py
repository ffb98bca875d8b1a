"""A scheduler of another package, outside of this tree: found by its entry point, and held to the
contract (docs/adding-a-scheduler.md)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import IS_LONG

# of the contract's tests, one of each kind; make chaos: all
SOME = (
    "runs_each_element", "listing_shows", "one_element_is_cancelled", "killed_element",
    "hostile_words", "refused_submission", "resources_in_units", "within_the_limit",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tests" / "third_party"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that it is installed in."""
    folder = tmp_path_factory.mktemp("third_party")
    shutil.copytree(PACKAGE, folder / "toy", ignore=shutil.ignore_patterns("fakes", "__pycache__"))
    site = folder / "site"
    alone = ("--no-index", "--no-deps", "--no-build-isolation", "--no-compile")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", *alone, "--target", site, folder / "toy"],
        check=True,
    )
    return site


def run(installed: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ,
        "PYTHONPATH": str(installed),
        "HPCBATCH_TEST_FAKES": "tests/third_party/fakes",
    }
    return subprocess.run(
        [sys.executable, *argv],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


def test_it_is_a_cluster_by_its_name(installed: Path) -> None:
    shown = run(installed, "-m", "hpcbatch", "script", "--shell", "echo {x}", "--arg", "x=1,2",
                "--cluster", "toy", "--memory", "2GB", "--walltime", "90s")  # fmt: skip
    assert "#TOY --kilobytes=2097152\n" in shown.stdout, shown.stderr
    assert "element=$(( 0 + ${TOY_INDEX} - 1 ))" in shown.stdout


@pytest.mark.slow
def test_the_contract_holds(installed: Path) -> None:
    chosen = "toy" if IS_LONG else f"toy and ({' or '.join(SOME)})"
    tested = run(
        installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0",
        "tests/cluster/test_contract.py", "-k", chosen,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout
    assert " passed" in tested.stdout
