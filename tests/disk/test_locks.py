"""Locks between processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from hpcbatch.disk.locks import held, held_if_free
from hpcbatch.words.errors import RegistryBusy, RegistryUnwritable

HOLDING = """
import sys
from hpcbatch.disk.locks import held_if_free
with held_if_free(sys.argv[1]) as is_ours:
    print(is_ours, flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_held_by_one_and_free_after_its_death(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    argv = [sys.executable, "-c", HOLDING, path]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        with held_if_free(path) as is_ours:
            assert not is_ours
        with pytest.raises(RegistryBusy), held(path, 0.0):
            pass
        holder.kill()
    with held_if_free(path) as is_ours:
        assert is_ours
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_it_is_the_lock_that_filelock_takes(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with FileLock(path), held_if_free(path) as is_ours:
        assert not is_ours
    with held_if_free(path) as is_ours:
        assert is_ours
        with pytest.raises(RegistryBusy), held(path, 0.0):
            pass


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(RegistryUnwritable), held_if_free(str(tmp_path / "none" / "lock")):
        pass
