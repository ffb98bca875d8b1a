"""What faults need: root for mounts, programs that inject."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REQUIRED

from .disks import SmallDisk, mounted

SHARED_MEMORY = Path("/dev/shm")
FAKETIME_FILES = "*faketime_*"  # named by the process that made them
PROGRAMS = {"fiu-run": "fiu-utils", "faketime": "faketime"}  # and the packages that have them


@pytest.fixture
def root() -> None:
    if os.getuid() != 0:
        pytest.skip("only root can mount")


@pytest.fixture
def small_disk(root: None, tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs") as folder:
        yield SmallDisk(folder)


@pytest.fixture
def fiu_run() -> str:
    return _program("fiu-run")


@pytest.fixture
def faketime() -> Iterator[str]:
    """The path of libfaketime, for LD_PRELOAD."""
    _program("faketime")
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        pytest.skip("there is no libfaketime.so.1 under /usr/lib")
    before = set(SHARED_MEMORY.glob(FAKETIME_FILES))
    yield str(found[0])
    for path in set(SHARED_MEMORY.glob(FAKETIME_FILES)) - before:  # processes that were killed
        if not os.path.exists(f"/proc/{path.name.rpartition('_')[2]}"):
            path.unlink(missing_ok=True)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        absent = pytest.fail if "tools" in REQUIRED else pytest.skip
        absent(f"{name} is not installed (package {PROGRAMS[name]})")
    return found
