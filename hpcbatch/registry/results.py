"""Reads what a fold has stored: values, errors, and which process ran a job."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar
from zlib import crc32

from ..disk.files import read_at
from ..disk.index import DONE, ERROR, EXPIRED, Entry
from ..disk.records import BESIDE, FIRST, FRAME, RecordReader
from ..words import events
from ..words.errors import DamagedFile
from ..words.events import HEAD, KIND_AND_JOB, NO_JOB, Event, unpack_text
from ..words.layout import TaskLayout
from ..words.model import Ending

_RECORD = struct.Struct(FRAME.format + KIND_AND_JOB.format[1:])  # as it begins on disk

Other = TypeVar("Other")


class Results:
    """results.rec, opened for reading. Never mapped: a disk that fails would be a SIGBUS."""

    def __init__(self, layout: TaskLayout):
        self.layout = layout
        try:
            self._fd = os.open(layout.results, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)  # nothing is in it
        self._read = RecordReader(self._fd, layout.results).read

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def values(
        self,
        found: Iterable[tuple[int, tuple[int, int]]],
        otherwise: Callable[[int, int, int], Other],
    ) -> Iterator[tuple[int, bytes | Other]]:
        """Jobs as they come, each with its pickled value, in one go, for speed. ``found`` tells
        what is said of each and its place; where it has no value, or ``value`` is needed to get
        it, what ``otherwise`` returns for the three stands there."""
        unpack, done = _RECORD.unpack_from, events.DONE
        first, head = FRAME.size, HEAD.size
        begin, block, last = 0, b"", -1
        for job, (said, place) in found:
            if said == DONE:
                at = place - begin
                if not 0 <= at <= last:
                    begin, block, at = place, read_at(self._fd, BESIDE, place), 0
                    last = len(block) - first - head
                if last >= 0:
                    length, expected, kind, told = unpack(block, at)
                    payload = block[at + first : at + first + length]
                    fits = told == job and kind == done and head <= length == len(payload)
                    if fits and crc32(payload, FIRST) == expected:
                        yield job, payload[head:]
                        continue
            yield job, otherwise(job, said, place)

    def value(self, job: int, place: int) -> bytes:
        """The pickled value of a job that is done, from its record at ``place``. Raises
        DamagedFile."""
        try:
            payload = self._read(place)
            kind, told = KIND_AND_JOB.unpack_from(payload)
        except (DamagedFile, struct.error):
            told = NO_JOB
        if told != job:
            raise self._damaged(job, place)
        body = payload[HEAD.size :]
        return self._aside(job, body) if kind == events.DONE_ASIDE else body

    def error(self, job: int, entry: Entry) -> tuple[str, str, str]:
        """Type, message, traceback of a job in error. Raises DamagedFile."""
        kind, message, trace = unpack_text(self.event(job, entry).body)
        return kind, message, trace

    def ending(self, job: int, entry: Entry, host: str) -> Ending:
        """How the process of a job ended that had one of its own. Raises DamagedFile."""
        event = self.event(job, entry)
        reason, code, signal = unpack_text(event.body)
        elapsed = event.ended - event.started
        number, by = int(code), int(signal) or None
        return Ending(reason, number, by, host, event.ended, elapsed, event.memory or None)

    def event(self, job: int, entry: Entry) -> Event:
        """The done or error record of a job. Raises DamagedFile, which names file and job."""
        payload = self._payload(entry.place)
        if payload is not None:
            event = Event.unpack(payload)
            if event.job == job and entry.said in (DONE, ERROR, EXPIRED):
                return event
        raise self._damaged(job, entry.place)

    def process(self, entry: Entry) -> tuple[str, str, str]:
        """Host, Python version and pid of the process that ran a job; empty when unknown."""
        payload = self._payload(entry.process)
        if payload is None:
            return "", "", ""
        event = Event.unpack(payload)
        if event.kind != events.HELLO:
            return "", "", ""
        host, _, _, python, pid = unpack_text(event.body)
        return host, python, pid

    def _payload(self, place: int) -> bytes | None:
        """None where there is no such record, or a damaged one."""
        try:
            return self._read(place)
        except DamagedFile:
            return None

    def _damaged(self, job: int, place: int) -> DamagedFile:
        return DamagedFile(
            f"{self.layout.results} is damaged: the result of job {job} (byte {place}) is cut "
            "off or altered. The other jobs can still be collected: have errors returned "
            "(--on-error return)"
        )

    def _aside(self, job: int, body: bytes) -> bytes:
        name, offset, length, expected = unpack_text(body)
        path = f"{self.layout.values}/{os.path.basename(name)}"
        try:
            with open(path, "rb") as file:
                file.seek(int(offset))
                value = file.read(int(length))
        except OSError as error:
            raise DamagedFile(f"the result of job {job} is missing: {error}") from error
        if len(value) != int(length) or crc32(value) != int(expected):
            raise DamagedFile(f"{path} is damaged: the result of job {job} is altered")
        return value
