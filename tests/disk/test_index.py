"""index.bin: one entry a job, a hole until something is said."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpcbatch.disk import index
from hpcbatch.disk.index import (
    BEGUN,
    DONE,
    ENTRY,
    ERROR,
    NOTHING,
    SUPERSEDED,
    Entry,
    make_index,
    read_entries,
    read_said,
    write_entries,
)
from hpcbatch.words.errors import RegistryUnwritable
from hpcbatch.words.ranges import Ranges
from tests.core import everyone

entries = st.builds(
    Entry,
    st.sampled_from([BEGUN, DONE, ERROR, SUPERSEDED]),
    st.integers(1, 65535),
    st.integers(0, 2**32 - 1),
    *[st.integers(0, 2**63)] * 2,
    *[st.floats(allow_nan=False)] * 2,
    st.integers(0, 2**63),
    st.floats(width=32, allow_nan=False),
)


def fields(entry: Entry) -> list[object]:
    return [getattr(entry, name) for name in Entry.__slots__]


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.integers(0, 49), entries, max_size=20), max_size=4))
def test_entries_come_back_and_the_others_stay_empty(
    tmp_path: Path, writes: list[dict[int, Entry]]
) -> None:
    path = tmp_path / "index"
    path.unlink(missing_ok=True)
    make_index(str(path), 50)
    model: dict[int, Entry] = {}
    for written in writes:
        write_entries(str(path), {job: entry.pack() for job, entry in written.items()})
        model.update(written)
    found = read_entries(str(path), everyone(50))
    assert {job: fields(entry) for job, entry in found.items()} == {
        job: fields(entry) for job, entry in model.items()
    }
    assert list(found) == sorted(model)
    said = read_said(str(path))
    assert list(said) == [model[job].said if job in model else NOTHING for job in range(50)]
    some = Ranges.of([3, 4, 40])
    assert list(read_entries(str(path), some)) == [job for job in some if job in model]


def test_a_new_index_takes_no_space(tmp_path: Path) -> None:
    path = tmp_path / "index"
    make_index(str(path), 1_000_000)
    told = path.stat()
    assert told.st_size == 1_000_000 * ENTRY.size
    assert told.st_blocks * 512 < 100_000
    assert told.st_mode & 0o777 == 0o600
    assert read_entries(str(path), Ranges([(0, 1_000_000)])) == {}
    with pytest.raises(RegistryUnwritable):
        make_index(str(path), 5)


def test_neighbours_are_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index"
    make_index(str(path), 1000)
    calls: list[int] = []
    whole = os.pwrite

    def counting(fd: int, block: bytes, offset: int) -> int:
        calls.append(offset // ENTRY.size)
        return whole(fd, block, offset)

    monkeypatch.setattr(os, "pwrite", counting)
    write_entries(str(path), {job: Entry(DONE, 1, 0).pack() for job in [*range(100, 300), 500]})
    assert calls == [100, 500]


@pytest.mark.parametrize("failing", ["open", "pwrite", "fsync"])
def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    path = tmp_path / "index"
    make_index(str(path), 10)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(index.os, failing, fail)
    with pytest.raises(RegistryUnwritable, match="index"):
        write_entries(str(path), {3: Entry(DONE, 1, 0).pack()})


def test_a_write_that_is_short_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index"
    make_index(str(path), 10)
    monkeypatch.setattr(index.os, "pwrite", lambda fd, block, offset: len(block) - 1)
    with pytest.raises(RegistryUnwritable, match="No space left"):
        write_entries(str(path), {3: Entry(DONE, 1, 0).pack()})
