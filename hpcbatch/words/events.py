"""What a process of an attempt tells: the payload of one record in a segment.

A fixed head, then a body: a pickled value for ``DONE``, text fields for the others.
"""

from __future__ import annotations

from struct import Struct

HELLO = 1  # body: host, boot id, process start time, Python version, pid
STARTED = 2
DONE = 3  # body: the pickled value
DONE_ASIDE = 4  # body: file name, offset, length, CRC-32 of a value too large to copy
ERROR = 5  # body: exception type, message, traceback
LEAVE = 6  # body: why the process stops early, its signal or 0, "vague" or nothing
END = 7
EXPIRED = 8  # body: why the job's own process ended without a result, exit code, signal

NO_JOB = (1 << 64) - 1  # of records that are about none

HEAD = Struct("<BxHIQddQQQf")
BEGINNING = Struct("<8xQd")  # job and start time alone
KIND_AND_JOB = Struct("<B7xQ")
_LENGTH = Struct("<I")


class Event:
    """One record. Times are seconds since the epoch, ``memory`` is bytes, ``cpu`` is seconds;
    ``log_begin`` and ``log_end`` are the byte range of the job's output in its element's log."""

    __slots__ = (
        "attempt",
        "body",
        "cpu",
        "element",
        "ended",
        "job",
        "kind",
        "log_begin",
        "log_end",
        "memory",
        "started",
    )

    def __init__(
        self,
        kind: int,
        attempt: int,
        element: int,
        job: int,
        started: float,
        ended: float,
        memory: int,
        log_begin: int,
        log_end: int,
        cpu: float,
        body: bytes,
    ):
        self.kind, self.attempt, self.element, self.job = kind, attempt, element, job
        self.started, self.ended, self.memory, self.cpu = started, ended, memory, cpu
        self.log_begin, self.log_end, self.body = log_begin, log_end, body

    @classmethod
    def unpack(cls, payload: bytes) -> Event:
        """Raises ``struct.error`` when ``payload`` is shorter than a head."""
        fields = (*HEAD.unpack_from(payload), payload[HEAD.size :])
        return cls(*fields)


def pack_text(*fields: str) -> bytes:
    """Text fields of any content, each behind its length."""
    encoded = [field.encode("utf-8", "backslashreplace") for field in fields]
    return b"".join(_LENGTH.pack(len(field)) + field for field in encoded)


def unpack_text(body: bytes) -> list[str]:
    fields = []
    at = 0
    while at + _LENGTH.size <= len(body):
        (length,) = _LENGTH.unpack_from(body, at)
        at += _LENGTH.size
        fields.append(body[at : at + length].decode("utf-8", "replace"))
        at += length
    return fields
