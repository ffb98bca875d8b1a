"""index.bin: one entry of fixed size per job, written by folds only."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from struct import Struct
from typing import NamedTuple
from zlib import crc32

from ..words import events
from ..words.ranges import Ranges
from .files import read_at, unwritable

# What the records say of a job. The file begins as zeros: nothing is said.
NOTHING, BEGUN, DONE, ERROR, SUPERSEDED, EXPIRED = range(6)
SAID_BY = {
    events.DONE: DONE,
    events.DONE_ASIDE: DONE,
    events.ERROR: ERROR,
    events.EXPIRED: EXPIRED,
}

ENTRY = Struct("<BxHIQQddQf4x")
SAID_AND_PLACE = Struct("<B7xQ40x")  # of an entry
BLOCK = ENTRY.size << 13  # read at once; what fits a cache is copied twice as fast


class Entry(NamedTuple):
    """What is known of one job. ``place`` and ``process`` are offsets in results.rec: of its
    done or error record, and of the hello record of the process that ran it."""

    said: int
    attempt: int
    element: int
    place: int = 0
    process: int = 0
    started: float = 0.0
    ended: float = 0.0
    memory: int = 0
    cpu: float = 0.0

    @classmethod
    def unpack(cls, packed: bytes) -> Entry:
        return cls._make(ENTRY.unpack(packed))

    def pack(self) -> bytes:
        """As it lies in the file; what is said comes first."""
        return ENTRY.pack(*self)


def make_index(path: str, njobs: int) -> None:
    """A new index of ``njobs`` empty entries, as a hole: it takes no space yet."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.ftruncate(fd, njobs * ENTRY.size)
        finally:
            os.close(fd)
    except OSError as error:
        raise unwritable(path, error) from error


class Column(NamedTuple):
    """What is said of each job, one byte a job; and a CRC-32 of all entries."""

    said: bytes
    checksum: int


def read_column(path: str) -> Column:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # no map: there a failed read is SIGBUS
    try:
        said, checksum = [], 0
        for place in range(0, os.fstat(fd).st_size, BLOCK):
            block = read_at(fd, BLOCK, place)
            checksum = crc32(block, checksum)
            said.append(block[:: ENTRY.size])
        return Column(b"".join(said), checksum)
    finally:
        os.close(fd)


def read_said(path: str) -> bytes:
    """What is said of each job, one byte a job."""
    return read_column(path).said


def read_entries(path: str, jobs: Ranges) -> dict[int, Entry]:
    """The entries of ``jobs`` of which something is said."""
    found = {}
    with open(path, "rb") as file:
        for start, stop in jobs.runs:
            block = read_at(file.fileno(), (stop - start) * ENTRY.size, start * ENTRY.size)
            if block.count(0) == len(block):
                continue
            for job, fields in zip(range(start, stop), ENTRY.iter_unpack(block), strict=False):
                if fields[0] != NOTHING:
                    found[job] = Entry._make(fields)
    return found


def each_entry(path: str) -> Iterator[Entry]:
    """The entry of each job, in order, also of those of which nothing is said."""
    with open(path, "rb") as file:
        for place in range(0, os.fstat(file.fileno()).st_size, BLOCK):
            yield from map(Entry._make, ENTRY.iter_unpack(read_at(file.fileno(), BLOCK, place)))


def read_places(path: str, jobs: Ranges) -> Iterator[tuple[int, tuple[int, int]]]:
    """(job, (what is said of it, offset of its record in results.rec)) of each of ``jobs``."""
    return chain.from_iterable(_blocks_of_places(path, jobs))


def _blocks_of_places(path: str, jobs: Ranges) -> Iterator[Iterable[tuple[int, tuple[int, int]]]]:
    size = SAID_AND_PLACE.size
    with open(path, "rb") as file:
        for first, last in jobs.runs:
            for start in range(first, last, BLOCK // size):
                stop = min(start + BLOCK // size, last)
                block = read_at(file.fileno(), (stop - start) * size, start * size)
                yield zip(range(start, stop), SAID_AND_PLACE.iter_unpack(block), strict=True)


def write_entries(path: str, entries: Mapping[int, bytes]) -> None:
    """Write packed entries in place, neighbours at once, and fsync. Raises RegistryUnwritable."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            for start, stop in Ranges.of(entries).runs:
                block = b"".join(map(entries.__getitem__, range(start, stop)))
                if os.pwrite(fd, block, start * ENTRY.size) != len(block):
                    raise OSError(errno.ENOSPC, "No space left on device")
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise unwritable(path, error) from error
