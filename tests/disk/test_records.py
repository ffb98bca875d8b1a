"""Append-only record files: what a reader sees of torn, damaged and growing ones."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpcbatch.disk import records
from hpcbatch.disk.locks import held_by
from hpcbatch.disk.records import FRAME, RecordReader, RecordWriter, frame, read_records
from hpcbatch.words.errors import DamagedFile
from tests.core import ROOT, eventually

PAYLOADS = [b"first", b"", b"x" * 40, b"\0" * 9, b"last one"]
HOLDER = """
import sys, time
sys.path.insert(0, sys.argv[2])
from hpcbatch.disk.records import RecordWriter
writer = RecordWriter(sys.argv[1])
writer.append(b"alive")
print("held", flush=True)
time.sleep(600)
"""


def payloads(path: Path, *limits: int) -> list[bytes]:
    return [payload for _, payload in read_records(str(path), *limits)]


def test_records_come_back_in_order_with_the_offsets_behind_them(tmp_path: Path) -> None:
    path = tmp_path / "file"
    writer = RecordWriter(str(path))
    writer.append(*PAYLOADS[:2])
    for payload in PAYLOADS[2:]:
        writer.append(payload)
    writer.close()
    told = list(read_records(str(path)))
    assert [payload for _, payload in told] == PAYLOADS
    assert told[-1][0] == path.stat().st_size
    for after, _ in told:  # every offset is a place to go on from, or to stop at
        assert payloads(path, 0, after) + payloads(path, after) == PAYLOADS


def test_a_torn_tail_at_every_byte_gives_exactly_the_whole_records_before(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = b"".join(map(frame, PAYLOADS))
    ends = [len(b"".join(map(frame, PAYLOADS[:count]))) for count in range(len(PAYLOADS) + 1)]
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        whole = sum(end <= length for end in ends) - 1
        assert payloads(path) == PAYLOADS[:whole]


def test_a_flipped_bit_anywhere_never_yields_a_wrong_payload(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = b"".join(map(frame, PAYLOADS))
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        found = payloads(path)
        assert found == PAYLOADS[: len(found)]
        assert len(found) < len(PAYLOADS)


@pytest.mark.parametrize("zeros", [1, 12, 24, 4096])
def test_a_tail_of_zeros_is_no_record(tmp_path: Path, zeros: int) -> None:
    """Disks leave such tails when a host loses power."""
    path = tmp_path / "file"
    path.write_bytes(frame(b"whole") + b"\0" * zeros)
    assert payloads(path) == [b"whole"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(1, 64), st.integers(0, 600))
def test_any_buffer_size_reads_the_same(
    tmp_path: Path, some: list[bytes], block: int, cut: int
) -> None:
    path = tmp_path / "file"
    content = b"".join(map(frame, some))
    path.write_bytes(content[:cut])
    with pytest.MonkeyPatch.context() as patch:
        before = payloads(path)
        patch.setattr(records, "BLOCK", block)
        assert payloads(path) == before
    assert before == some[: len(before)]


def test_a_large_record_between_small_ones(tmp_path: Path) -> None:
    path = tmp_path / "file"
    some = [b"a", os.urandom(3_500_000), b"b"]
    path.write_bytes(b"".join(map(frame, some)))
    assert payloads(path) == some


def test_a_reader_that_comes_again_sees_what_was_added(tmp_path: Path) -> None:
    path = tmp_path / "file"
    writer = RecordWriter(str(path))
    seen = 0
    for payload in PAYLOADS:
        writer.append(payload)
        (told,) = list(read_records(str(path), seen))
        assert told[1] == payload
        seen = told[0]
    writer.close()


def test_a_file_that_is_there_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"of another process")
    with pytest.raises(FileExistsError):
        RecordWriter(str(path))
    assert path.read_bytes() == b"of another process"


def test_an_append_beyond_a_limit_is_taken_back_and_later_ones_work(tmp_path: Path) -> None:
    path = tmp_path / "file"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    writer = RecordWriter(str(path))
    try:
        writer.append(b"before")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        with pytest.raises(OSError, match="File too large") as caught:
            writer.append(b"small", b"x" * 200)
        assert caught.value.errno == errno.EFBIG
        assert payloads(path) == [b"before"]
        assert path.stat().st_size == len(frame(b"before"))
        writer.append(b"after")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    writer.append(b"y" * 200)
    writer.close()
    assert payloads(path) == [b"before", b"after", b"y" * 200]


def test_appends_are_synced_at_most_once_a_second_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    writer = RecordWriter(str(tmp_path / "file"))
    for _ in range(100):
        writer.append(b"x")
    assert len(synced) <= 1
    writer.sync_seconds = -1.0
    writer.append(b"x")
    assert len(synced) >= 1
    count = len(synced)
    writer.close()
    assert len(synced) == count + 1


def test_one_record_is_read_by_its_offset(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"".join(map(frame, PAYLOADS)))
    fd = os.open(path, os.O_RDONLY)
    one, alone = RecordReader(fd, str(path)), RecordReader(fd, str(path))
    try:
        offset = 0
        for payload in PAYLOADS:
            assert one.read(offset) == payload
            assert alone.read(offset, ahead=0) == payload
            offset += FRAME.size + len(payload)
        for wrong in (1, offset - 1, offset, offset + 100):
            with pytest.raises(DamagedFile, match=rf"file is damaged: the record at byte {wrong}"):
                one.read(wrong)
    finally:
        os.close(fd)


def test_a_living_writer_is_seen_from_another_process_and_gone_after_its_death(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    assert held_by(str(path)) is None
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), str(ROOT)], stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        for _ in range(3):  # asking takes nothing away
            assert held_by(str(path)) == holder.pid
        assert payloads(path) == [b"alive"]
        assert held_by(str(path)) == holder.pid
    finally:
        holder.kill()
        holder.communicate()
    eventually(lambda: held_by(str(path)) is None)


def test_a_writer_that_closed_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    asked = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from hpcbatch.disk.locks import held_by; print(held_by(sys.argv[1]))"  # fmt: skip  # noqa: E501

    def ask() -> str:
        return subprocess.run(
            [sys.executable, "-c", asked, str(path)], capture_output=True, text=True, check=True
        ).stdout.strip()

    writer = RecordWriter(str(path))
    assert ask() == str(os.getpid())
    writer.close()
    assert ask() == "None"
