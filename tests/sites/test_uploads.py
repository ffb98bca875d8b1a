"""Uploads: what a kill or a full disk leaves of one becomes a task all the same, or nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.registry.draft import Draft
from hpcbatch.registry.registry import Registry
from hpcbatch.sites import parcel, uploads
from hpcbatch.sites.digest import digest_of
from hpcbatch.sites.uploads import Upload, Uploads


@pytest.fixture
def there(tmp_path: Path) -> Registry:
    return Registry(str(tmp_path / "there"))


@pytest.fixture
def sent(tmp_path: Path) -> tuple[Upload, bytes]:
    path = str(tmp_path / "parcel")
    packed = parcel.pack(path, Draft(hb.create(abs, [1]).spec, (b"f", b"c"), iter([[b"1"]]), None))
    return Upload(packed.id, "", os.path.getsize(path), digest_of(path)), Path(path).read_bytes()


@pytest.fixture
def mine(tmp_path: Path, there: Registry) -> Uploads:
    return Uploads(str(tmp_path / "uploads"), there)


class Killed(BaseException):
    pass


def dies(*_: Any) -> Any:
    raise Killed


def is_full(fd: int, content: bytes) -> None:
    os.write(fd, content[:2])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_all_of_it_is_there_and_was_not_stored(
    there: Registry, mine: Uploads, sent: tuple[Upload, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    told, content = sent
    mine.begin(told)
    with monkeypatch.context() as killed:
        killed.setattr(parcel, "unpack", dies)
        with pytest.raises(Killed):
            mine.add(told.task, "", 0, content)
    assert there.ids() == []
    assert mine.begin(told) == told.size
    assert there.ids() == [told.task]


def test_a_full_disk_gets_its_room_back(
    tmp_path: Path,
    there: Registry,
    mine: Uploads,
    sent: tuple[Upload, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told, content = sent
    mine.begin(told)
    assert mine.add(told.task, "", 0, content[:100]) == 100
    with monkeypatch.context() as disk:
        disk.setattr(uploads, "write_all", is_full)
        with pytest.raises(hb.RegistryUnwritable, match="No space"):
            mine.add(told.task, "", 100, content[100:])
    assert not (tmp_path / "uploads" / told.task).exists()
    assert mine.begin(told) == 0
    assert mine.add(told.task, "", 0, content) == told.size
    assert there.ids() == [told.task]


@pytest.mark.parametrize("kind", ["json", "stored"])
@pytest.mark.parametrize("content", ["", "[]", '{"task": 1}', "null"])
def test_a_record_that_is_damaged_is_told(
    tmp_path: Path, mine: Uploads, sent: tuple[Upload, bytes], kind: str, content: str
) -> None:
    told, parts = sent
    mine.begin(told)
    record = tmp_path / "uploads" / f"{told.task}.{kind}"
    record.write_text(content)
    with pytest.raises(hb.DamagedFile, match=rf"{record} is damaged: .*"):
        mine.begin(told)
    with pytest.raises(hb.DamagedFile):
        mine.add(told.task, "", 0, parts)
    record.unlink()
    assert mine.begin(told) == 0
