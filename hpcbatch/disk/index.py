"""index.bin: one entry of fixed size per job, written by folds only."""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from struct import Struct

from ..words.ranges import Ranges
from .files import unwritable

# What the records say of a job. The file begins as zeros: nothing is said.
NOTHING, BEGUN, DONE, ERROR, SUPERSEDED = range(5)

ENTRY = Struct("<BxHIQQddQf4x")


class Entry:
    """What is known of one job. ``place`` and ``process`` are offsets in results.rec: of its
    done or error record, and of the hello record of the process that ran it."""

    __slots__ = (
        "attempt",
        "cpu",
        "element",
        "ended",
        "memory",
        "place",
        "process",
        "said",
        "started",
    )

    def __init__(
        self,
        said: int,
        attempt: int,
        element: int,
        place: int = 0,
        process: int = 0,
        started: float = 0.0,
        ended: float = 0.0,
        memory: int = 0,
        cpu: float = 0.0,
    ):
        self.said, self.attempt, self.element = said, attempt, element
        self.place, self.process = place, process
        self.started, self.ended, self.memory, self.cpu = started, ended, memory, cpu

    def pack(self) -> bytes:
        return ENTRY.pack(
            self.said,
            self.attempt,
            self.element,
            self.place,
            self.process,
            self.started,
            self.ended,
            self.memory,
            self.cpu,
        )


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


def read_said(path: str) -> bytes:
    """What is said of each job, one byte a job."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        return view[0 :: ENTRY.size]


def read_entries(path: str, jobs: Ranges) -> dict[int, Entry]:
    """The entries of ``jobs`` of which something is said."""
    found = {}
    with open(path, "rb") as file:
        for start, stop in jobs.runs:
            block = os.pread(file.fileno(), (stop - start) * ENTRY.size, start * ENTRY.size)
            if block.count(0) == len(block):
                continue
            for job, fields in zip(range(start, stop), ENTRY.iter_unpack(block), strict=False):
                if fields[0] != NOTHING:
                    found[job] = Entry(*fields)
    return found


def write_entries(path: str, entries: Mapping[int, Entry]) -> None:
    """Write the entries in place, neighbours at once, and fsync. Raises RegistryUnwritable."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            for start, stop in Ranges.of(entries).runs:
                block = b"".join([entries[job].pack() for job in range(start, stop)])
                if os.pwrite(fd, block, start * ENTRY.size) != len(block):
                    raise OSError(28, "No space left on device")
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise unwritable(path, error) from error
