"""Reads what a fold has stored: values, errors, and which process ran a job."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator
from zlib import crc32

from ..disk.index import DONE, ERROR, Entry
from ..disk.records import FRAME, checksum, read_record
from ..words import events
from ..words.errors import DamagedFile
from ..words.events import Event, unpack_text
from ..words.layout import TaskLayout
from .snapshot import read_snapshot


class Results:
    """results.rec, opened for reading: one map of the file serves any number of jobs."""

    def __init__(self, layout: TaskLayout):
        self.layout = layout
        self._view: mmap.mmap | bytes = b""
        self._fd: int | None = None
        try:
            self._fd = os.open(layout.results, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        # a fold may cut what lies behind the commit: reading that from a map would be SIGBUS
        size = min(os.fstat(self._fd).st_size, read_snapshot(layout.status).committed)
        if size:
            self._view = mmap.mmap(self._fd, size, access=mmap.ACCESS_READ)

    def close(self) -> None:
        if isinstance(self._view, mmap.mmap):
            self._view.close()
        if self._fd is not None:
            os.close(self._fd)

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def values(self, entries: dict[int, Entry]) -> Iterator[tuple[int, bytes]]:
        """(job, pickled value) of each entry that is done, in the order given."""
        for job, entry in entries.items():
            if entry.said == DONE:
                yield job, self.value(job, entry)

    def value(self, job: int, entry: Entry) -> bytes:
        """The pickled value of a job that is done. Raises DamagedFile."""
        event = self.event(job, entry)
        return self._aside(event) if event.kind == events.DONE_ASIDE else event.body

    def error(self, job: int, entry: Entry) -> tuple[str, str, str]:
        """Type, message, traceback of a job in error. Raises DamagedFile."""
        kind, message, trace = unpack_text(self.event(job, entry).body)
        return kind, message, trace

    def event(self, job: int, entry: Entry) -> Event:
        """The done or error record of a job. Raises DamagedFile, which names file and job."""
        payload = self._payload(entry.place)
        if payload is not None:
            event = Event.unpack(payload)
            if event.job == job and entry.said in (DONE, ERROR):
                return event
        raise DamagedFile(
            f"{self.layout.results} is damaged: the result of job {job} (byte {entry.place}) is "
            "cut off or altered. The other jobs can still be collected with on_error='return'."
        )

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
        view = self._view
        if place + FRAME.size <= len(view):
            length, expected = FRAME.unpack_from(view, place)
            begin = place + FRAME.size
            payload = view[begin : begin + length]
            if len(payload) == length and checksum(payload) == expected:
                return payload
        elif self._fd is not None:
            with contextlib.suppress(DamagedFile):
                return read_record(self._fd, place, self.layout.results)
        return None

    def _aside(self, event: Event) -> bytes:
        name, offset, length, expected = unpack_text(event.body)
        path = f"{self.layout.values}/{os.path.basename(name)}"
        try:
            with open(path, "rb") as file:
                file.seek(int(offset))
                value = file.read(int(length))
        except OSError as error:
            raise DamagedFile(f"the result of job {event.job} is missing: {error}") from error
        if len(value) != int(length) or crc32(value) != int(expected):
            raise DamagedFile(f"{path} is damaged: the result of job {event.job} is altered")
        return value
