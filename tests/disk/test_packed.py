"""Many records in one file, read by number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpcbatch.disk.packed import PackedReader, write_packed
from hpcbatch.words.errors import DamagedFile, RegistryUnwritable
from hpcbatch.words.ranges import Ranges
from tests.core import everyone

SMALL = [b"%04d" % number for number in range(9)]  # frames of 16 bytes each


def read(path: Path, numbers: Ranges) -> list[tuple[int, bytes | DamagedFile]]:
    reader = PackedReader(str(path))
    try:
        return list(reader.read(numbers))
    finally:
        reader.close()


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.binary(max_size=30), max_size=6), max_size=8), st.data())
def test_any_subset_is_read_back_by_number(
    tmp_path: Path, blocks: list[list[bytes]], data: st.DataObject
) -> None:
    path = tmp_path / "packed"
    path.unlink(missing_ok=True)
    flat = [payload for block in blocks for payload in block]
    assert write_packed(str(path), blocks) == len(flat)
    chosen = data.draw(st.sets(st.integers(0, len(flat) - 1))) if flat else set()
    found = read(path, Ranges.of(chosen))
    assert found == [(number, flat[number]) for number in sorted(chosen)]


def test_it_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "packed"
    write_packed(str(path), [SMALL])
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(RegistryUnwritable):
        write_packed(str(path), [[b"other"]])
    assert read(path, Ranges([(0, 1)])) == [(0, SMALL[0])]


def test_what_the_blocks_raise_passes_through(tmp_path: Path) -> None:
    def blocks() -> Iterator[list[bytes]]:
        yield SMALL
        raise LookupError("of the user")

    with pytest.raises(LookupError, match="of the user"):
        write_packed(str(tmp_path / "packed"), blocks())


def test_a_number_beyond_the_end_is_told(tmp_path: Path) -> None:
    path = tmp_path / "packed"
    write_packed(str(path), [SMALL])
    (eight, nine) = read(path, Ranges([(8, 10)]))
    assert eight == (8, SMALL[8])
    assert isinstance(nine[1], DamagedFile)
    assert "record 9 has no place; put it back from a backup" in str(nine[1])


def test_a_file_cut_anywhere_is_named(tmp_path: Path) -> None:
    path = tmp_path / "packed"
    write_packed(str(path), [SMALL])
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DamagedFile, match=r"packed is damaged: .* create the task anew"):
            PackedReader(str(path))


def test_a_flipped_bit_never_yields_a_wrong_payload(tmp_path: Path) -> None:
    path = tmp_path / "packed"
    write_packed(str(path), [SMALL])
    content = path.read_bytes()
    whole = list(enumerate(SMALL))
    unharmed = 0
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            found = read(path, everyone(len(SMALL)))
        except DamagedFile:
            continue
        wrong = [pair for pair in found if pair not in whole]
        assert all(isinstance(error, DamagedFile) for _, error in wrong), bit // 8
        assert len(wrong) == 1
        unharmed += len(found) - len(wrong)
    assert unharmed > 0


def test_a_damaged_record_leaves_the_others_readable(tmp_path: Path) -> None:
    path = tmp_path / "packed"
    write_packed(str(path), [SMALL])
    content = bytearray(path.read_bytes())
    content[16 * 3 + 13] ^= 1
    path.write_bytes(content)
    found = dict(read(path, everyone(len(SMALL))))
    told = str(found.pop(3))
    assert "packed is damaged: the record at byte 48" in told
    assert "create the task anew" in told
    assert found == {number: SMALL[number] for number in (0, 1, 2, 4, 5, 6, 7, 8)}


def test_one_record_costs_two_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "packed"
    write_packed(str(path), [[b"x" * 100] * 1000] * 20)
    reader = PackedReader(str(path))
    sizes: list[int] = []
    whole = os.pread

    def counting(fd: int, size: int, offset: int) -> bytes:
        sizes.append(size)
        return whole(fd, size, offset)

    monkeypatch.setattr(os, "pread", counting)
    assert list(reader.read(Ranges([(12_345, 12_346)]))) == [(12_345, b"x" * 100)]
    assert sum(sizes) <= 8 + 12 + 100
    reader.close()
