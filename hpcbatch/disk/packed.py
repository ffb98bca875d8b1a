"""Many records in one file, found by number: record k is one seek and one read.

Layout: records as in ``records``, then their N offsets (8 bytes each, little-endian), then a
footer: N, place of the offsets, magic. Written once, never changed. A record's checksum covers
its number too, so that an altered offset is noticed.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Iterable, Iterator
from itertools import accumulate
from struct import Struct

from ..words.errors import DamagedFile
from ..words.ranges import Ranges
from .files import read_at, unwritable
from .records import BESIDE, FRAME, RecordReader, frames

FOOTER = Struct("<QQ8s")
MAGIC = b"HPCBPACK"
BUFFER = 1 << 20
_MEND = "put it back from a backup, or create the task anew"


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
                records = frames(payloads, len(offsets))
                *begins, end = accumulate(map(len, records), initial=end)
                offsets.extend(begins)
                file.writelines(records)
            if sys.byteorder == "big":
                offsets.byteswap()
            file.write(offsets.tobytes())
            file.write(FOOTER.pack(len(offsets), end, MAGIC))
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
        footer = read_at(self._fd, FOOTER.size, max(size - FOOTER.size, 0))
        count, table, magic = FOOTER.unpack(footer) if len(footer) == FOOTER.size else (0, 0, b"")
        if magic != MAGIC or table + 8 * count + FOOTER.size != size:
            os.close(self._fd)
            raise DamagedFile(f"{path} is damaged: it was cut off or altered; {_MEND}")
        self._count, self._table = count, table
        self._last = table - FRAME.size  # where a record may begin
        self._records = RecordReader(self._fd, path)

    def __len__(self) -> int:
        return int(self._count)

    def close(self) -> None:
        os.close(self._fd)

    def read(self, numbers: Ranges) -> Iterator[tuple[int, bytes | DamagedFile]]:
        """(number, payload) in order; where a record is damaged, the error in its place."""
        for start, stop in numbers.runs:
            offsets = self._offsets(start, stop)
            last = offsets[-1]  # how long that one is, its head tells
            for number, offset in zip(range(start, stop), offsets, strict=True):
                try:
                    if offset > self._last:
                        raise DamagedFile(f"{self.path} is damaged: record {number} has no place")
                    yield number, self._records.read(offset, number, min(last - offset, BESIDE))
                except DamagedFile as error:
                    yield number, DamagedFile(f"{error}; {_MEND}")

    def _offsets(self, start: int, stop: int) -> array[int]:
        """Of records ``start`` to ``stop - 1``; where there are none, of no place for a record."""
        held = max(min(stop, len(self)) - start, 0)
        offsets = array("Q")
        offsets.frombytes(read_at(self._fd, 8 * held, self._table + 8 * start))
        if sys.byteorder == "big":
            offsets.byteswap()
        offsets.extend([self._table] * (stop - start - held))
        return offsets
