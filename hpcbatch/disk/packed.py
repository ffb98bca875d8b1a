"""Many records in one file, found by number: record k is one seek and one read.

Layout: records as in ``records``, then their N offsets (8 bytes each, little-endian), then a
footer: N, place of the offsets, checksum of the offsets, magic. Written once, never changed.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Iterable, Iterator
from itertools import accumulate
from struct import Struct
from zlib import crc32

from ..words.errors import DamagedFile
from ..words.ranges import Ranges
from .files import unwritable
from .records import FRAME, frame, read_record

FOOTER = Struct("<QQI8s")
MAGIC = b"HPCBPACK"
BUFFER = 1 << 20


def write_packed(path: str, blocks: Iterable[list[bytes]]) -> int:
    """Write the payloads of all blocks to a new file and return how many there were.

    Holds one block, and 8 bytes a record, in memory. Raises RegistryUnwritable; whatever
    ``blocks`` raises passes through.
    """
    offsets = array("Q")
    end = 0
    try:
        with open(path, "xb", buffering=BUFFER) as file:
            os.fchmod(file.fileno(), 0o600)
            for payloads in blocks:
                frames = [frame(payload) for payload in payloads]
                *begins, end = accumulate(map(len, frames), initial=end)
                offsets.extend(begins)
                file.writelines(frames)
            if sys.byteorder == "big":
                offsets.byteswap()
            table = offsets.tobytes()
            file.write(table)
            file.write(FOOTER.pack(len(offsets), end, crc32(table), MAGIC))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise unwritable(path, error) from error
    return len(offsets)


class PackedReader:
    """Reads a packed file. ``len()`` is the number of records."""

    def __init__(self, path: str):
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        size = os.fstat(self._fd).st_size
        footer = os.pread(self._fd, FOOTER.size, max(size - FOOTER.size, 0))
        if len(footer) < FOOTER.size or footer[-8:] != MAGIC:
            os.close(self._fd)
            raise DamagedFile(f"{path} is damaged: it has no end; it was cut off or altered")
        self._count, self._table, self._checksum, _ = FOOTER.unpack(footer)

    def __len__(self) -> int:
        return int(self._count)

    def close(self) -> None:
        os.close(self._fd)

    def read(self, numbers: Ranges) -> Iterator[tuple[int, bytes]]:
        """(number, payload) in order. Raises DamagedFile, which names the record."""
        for start, stop in numbers.runs:
            if stop > len(self):
                raise DamagedFile(f"{self.path} has {len(self)} records; {stop - 1} was asked for")
            offsets = array("Q")
            offsets.frombytes(os.pread(self._fd, 8 * (stop - start), self._table + 8 * start))
            if sys.byteorder == "big":
                offsets.byteswap()
            for number, offset in zip(range(start, stop), offsets, strict=True):
                yield number, self._record(number, offset)

    def _record(self, number: int, offset: int) -> bytes:
        if offset + FRAME.size > self._table:
            raise DamagedFile(f"{self.path} is damaged: record {number} has no place in it")
        return read_record(self._fd, offset, self.path)
