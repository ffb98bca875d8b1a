"""Files that others see whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hpcbatch.disk import files
from hpcbatch.disk.mounts import is_local_disk
from hpcbatch.words.errors import RegistryUnwritable
from tests.core import ROOT, eventually

WRITER = """
import itertools, sys
sys.path.insert(0, sys.argv[2])
from hpcbatch.disk.files import publish
for k in itertools.count():
    publish(sys.argv[1], bytes([k % 251]) * 300_000)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    empty = tmp_path / "empty"
    empty.mkdir()
    return empty


def test_publish_replaces_the_file_and_leaves_nothing_beside_it(folder: Path) -> None:
    path = folder / "file"
    for content in (b"", b"first", b"second" * 100_000):
        files.publish(str(path), content)
        assert path.read_bytes() == content
    assert os.listdir(folder) == ["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_reader_sees_whole_files_while_a_writer_is_killed(folder: Path) -> None:
    path = folder / "file"
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(ROOT)])
        try:
            eventually(path.exists)
            for _ in range(30):
                content = path.read_bytes()
                assert len(content) == 300_000
                assert len(set(content)) == 1
        finally:
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
        content = path.read_bytes()
        assert len(content) == 300_000
        assert len(set(content)) == 1


@pytest.mark.parametrize("failing", ["write", "fsync", "replace", "open"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EDQUOT])
def test_a_failed_publish_keeps_the_old_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failing: str, code: int
) -> None:
    path = folder / "file"
    files.publish(str(path), b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        with pytest.raises(RegistryUnwritable) as caught:
            files.publish(str(path), b"new")
    assert caught.value.errno == code
    assert str(path) in str(caught.value)
    assert os.strerror(code) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(folder) == ["file"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda fd, view: whole(fd, bytes(view)[:7]))
    files.publish(str(tmp_path / "file"), bytes(range(256)))
    assert (tmp_path / "file").read_bytes() == bytes(range(256))


def test_folders_are_private_and_may_be_there_already(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    for _ in range(2):
        files.make_folder(str(folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (tmp_path / "taken").write_text("")
    with pytest.raises(RegistryUnwritable, match="taken"):
        files.make_folder(str(tmp_path / "taken"))


def test_the_kind_of_disk_is_told(tmp_path: Path) -> None:
    assert is_local_disk(str(tmp_path)) in (True, False)
    assert not is_local_disk("/proc/self")
    link = tmp_path / "link"
    link.symlink_to("/proc/self")
    assert not is_local_disk(str(link))
