"""Append-only files of records: length, checksum, payload. A torn tail harms nothing before it.

A process that appends owns its file; readers may read at any time and see whole records only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from struct import Struct
from zlib import crc32

from ..words.errors import DamagedFile
from .files import append, read_at

FRAME = Struct("<QI")  # payload length in bytes, CRC-32 of the payload
BLOCK = 1 << 20
BESIDE = 1 << 16  # bytes read at once for records that are found by their offsets
FIRST = 1  # what the checksum begins with


def frame(payload: bytes) -> bytes:
    """The record as it lies on disk."""
    return FRAME.pack(len(payload), checksum(payload)) + payload


def frames(payloads: Iterable[bytes], first: int) -> list[bytes]:
    """What ``frame`` makes of each, in one go, for speed; numbered from ``first`` up, below 2**32.
    The number goes into the checksum: where records are found by number, one that is found in
    another's place is noticed."""
    pack, begin = FRAME.pack, first + FIRST
    return [
        pack(len(payload), crc32(payload, number)) + payload
        for number, payload in enumerate(payloads, begin)
    ]


def checksum(payload: bytes, number: int = 0) -> int:
    """CRC-32, begun so that zeros (what a lost power leaves behind) are no record."""
    return crc32(payload, (number + FIRST) & 0xFFFFFFFF)


class RecordWriter:
    """Appends records to a file that nobody else writes.

    The file is made by this process (``FileExistsError`` when it is there) and held by a POSIX
    record lock for as long as the process lives: whoever asks sees that it is alive. Closing any
    other descriptor of the same file in this process would drop the lock (fcntl(2)).
    """

    sync_seconds = 1.0

    def __init__(self, path: str):
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(OSError):  # a disk without locks: the hint is missing, no more
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._end = 0
        self._synced = time.monotonic()

    def append(self, *payloads: bytes) -> None:
        """Write the records, all or none. Raises OSError; the file then ends as before."""
        pack = FRAME.pack
        content = b"".join([pack(len(one), crc32(one, FIRST)) + one for one in payloads])
        self._end = append(self._fd, content, self._end)
        if time.monotonic() - self._synced > self.sync_seconds:
            self.sync()

    def sync(self) -> None:
        os.fsync(self._fd)
        self._synced = time.monotonic()

    def close(self) -> None:
        self.sync()
        os.close(self._fd)


def read_records(path: str, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, bytes]]:
    """The payloads of the whole records from offset ``start`` on, as (offset behind the record,
    payload); see ``read_frames``."""
    offset = start
    for _, frames_ in read_frames(path, start, stop):
        for whole in frames_:
            offset += len(whole)
            yield offset, whole[FRAME.size :]


def read_frames(
    path: str, start: int = 0, stop: int | None = None
) -> Iterator[tuple[int, list[bytes]]]:
    """The whole records from offset ``start`` on as they lie on disk, a block at a time:
    (offset behind the last record of the block, records).

    Ends at ``stop``, at the end of the file, or before the first record that is torn.
    The file is opened anew: that is what makes its growth seen over a network.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        end = os.fstat(fd).st_size
        end = end if stop is None else min(stop, end)
        offset, needed = start, FRAME.size
        while end - offset >= needed:
            block = os.pread(fd, min(max(BLOCK, needed), end - offset), offset)
            if len(block) < needed:  # it was cut meanwhile
                return
            found, needed = _whole_frames(block)
            if found:
                offset += sum(map(len, found))
                yield offset, found
            if not needed:
                return
    finally:
        os.close(fd)


def _whole_frames(block: bytes) -> tuple[list[bytes], int]:
    """Those at the beginning of a block, and how many bytes the next one needs at least; 0 when
    it is torn."""
    unpack, head, size = FRAME.unpack_from, FRAME.size, len(block)
    found: list[bytes] = []
    at = 0
    while at + head <= size:
        length, expected = unpack(block, at)
        behind = at + head + length
        if behind > size:
            return found, head + length
        if crc32(block[at + head : behind], FIRST) != expected:
            return found, 0
        found.append(block[at:behind])
        at = behind
    return found, head


class RecordReader:
    """Reads records by their offset; a block at once, since neighbours lie side by side."""

    def __init__(self, fd: int, path: str):
        self._fd, self._path = fd, path
        self._begin, self._block = 0, b""

    def read(self, offset: int, number: int = 0, ahead: int = BESIDE) -> bytes:
        """The payload of the record at ``offset``; up to ``ahead`` bytes may be read at once for
        the sake of those behind it. Raises DamagedFile, which names the file."""
        payload = self._in_block(offset, number)
        if payload is None and ahead > FRAME.size:
            self._begin, self._block = offset, read_at(self._fd, ahead, offset)
            payload = self._in_block(offset, number)
        return self._alone(offset, number) if payload is None else payload

    def _in_block(self, offset: int, number: int) -> bytes | None:
        """None when it is not wholly in the block, or damaged."""
        begin = offset - self._begin
        body = begin + FRAME.size
        if begin < 0 or body > len(self._block):
            return None
        length, expected = FRAME.unpack_from(self._block, begin)
        payload = self._block[body : body + length]
        found = crc32(payload, (number + FIRST) & 0xFFFFFFFF)  # no call, for speed
        return payload if found == expected and len(payload) == length else None

    def _alone(self, offset: int, number: int) -> bytes:
        head = read_at(self._fd, FRAME.size, offset)
        if len(head) == FRAME.size:
            length, expected = FRAME.unpack(head)
            if offset + FRAME.size + length <= os.fstat(self._fd).st_size:
                payload = read_at(self._fd, length, offset + FRAME.size)
                if len(payload) == length and checksum(payload, number) == expected:
                    return payload
        raise DamagedFile(
            f"{self._path} is damaged: the record at byte {offset} is cut off or altered"
        )
