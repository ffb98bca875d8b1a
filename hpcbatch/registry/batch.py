"""Records of many segments that are folded together: one batch, one commit."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence

from ..disk.files import unwritable, write_all
from ..disk.index import (
    BEGUN,
    DONE,
    ENTRY,
    ERROR,
    EXPIRED,
    NOTHING,
    SAID_BY,
    SUPERSEDED,
    Entry,
    read_column,
    read_entries,
    write_entries,
)
from ..disk.records import FRAME, read_frames
from ..words import events
from ..words.events import BEGINNING, HEAD, KIND_AND_JOB, NO_JOB, Event, unpack_text
from ..words.layout import TaskLayout, segment_owner
from ..words.model import Attempt
from ..words.ranges import Ranges
from .snapshot import SegmentState, Snapshot

BATCH_RECORDS = 1 << 17  # results, not beginnings
BATCH_BYTES = 32 << 20


class Batch:
    """Records of any segments, committed together."""

    def __init__(self, layout: TaskLayout, attempts: Sequence[Attempt], snapshot: Snapshot):
        self.layout, self.attempts, self.snapshot = layout, attempts, snapshot
        self.commits = 0
        self._clear()

    def _clear(self) -> None:
        # of results, and of hello records: who wrote it, and the record as it lies on disk. Bytes,
        # here and in ``new``: tuples by the ten thousand keep the garbage collector busy
        self.writers: list[SegmentState] = []
        self.frames: list[bytes] = []
        self.begun: dict[int, tuple[SegmentState, int, int]] = {}  # and not ended: by job
        self.cursors: dict[str, int] = {}
        self.bytes = 0
        self.known: dict[int, Entry] = {}  # as they lie in the index
        self.new: dict[int, bytes] = {}  # as they will, packed

    def read(self, name: str) -> None:
        """Take what is new in a segment; a batch that is full is committed."""
        segment = self.snapshot.segments.get(name) or SegmentState()
        begun = b""
        for cursor, frames in read_frames(f"{self.layout.segments}/{name}", segment.cursor):
            self.bytes += sum(map(len, frames))
            write, keep = self.writers.append, self.frames.append
            for whole in frames:
                kind = whole[FRAME.size]
                if kind == events.STARTED:  # half of all records, and only the last one counts
                    begun = whole
                    continue
                if kind in SAID_BY:
                    segment.job = None
                    write(segment)
                    keep(whole)
                else:
                    if begun:
                        segment.begin(*BEGINNING.unpack_from(begun, FRAME.size))
                    self._take(segment, kind, whole)
                begun = b""
            if begun:
                segment.begin(*BEGINNING.unpack_from(begun, FRAME.size))
            segment.lost = False
            self.snapshot.segments[name] = segment
            self.cursors[name] = cursor
            if len(self.frames) >= BATCH_RECORDS or self.bytes >= BATCH_BYTES:
                self.commit()

    def _take(self, segment: SegmentState, kind: int, whole: bytes) -> None:
        _, attempt, element, _, started, _, _, _, _, _ = HEAD.unpack_from(whole, FRAME.size)
        if kind == events.HELLO:
            self.snapshot.note_start(attempt, started)
            body = Event.unpack(whole[FRAME.size :]).body
            segment.host, segment.boot, segment.ticks, _, pid = unpack_text(body)
            segment.pid = int(pid)
            self.writers.append(segment)
            self.frames.append(whole)
        elif kind == events.LEAVE:
            segment.left = unpack_text(Event.unpack(whole[FRAME.size :]).body)
        elif kind == events.END:
            if segment.job is not None:
                self.begun[segment.job] = segment, attempt, element
            segment.ended, segment.job = True, None
            if segment.left:
                self._note_left(segment, attempt, element)

    def commit(self) -> None:
        if not self.cursors:
            return
        for name in self.cursors:
            segment = self.snapshot.segments[name]
            if segment.job is not None:
                self.begun[segment.job] = segment, *segment_owner(name)
        if self.snapshot.committed:  # else all that the index holds is of a fold that died
            self.known = self._read_known()
        frames = list(self._stored())
        self._note_begun()
        self._append(frames)
        if self.new:
            write_entries(self.layout.index, self.new)
        self.snapshot.committed += sum(map(len, frames))
        for name, cursor in self.cursors.items():
            self.snapshot.segments[name].cursor = cursor
        said, self.snapshot.index = read_column(self.layout.index)
        self.snapshot.note_progress(time.time(), sum(map(said.count, (DONE, ERROR, EXPIRED))))
        self.snapshot.publish(self.layout.status)
        self.commits += 1
        self._clear()

    def _read_known(self) -> dict[int, Entry]:
        """Entries of the batch's jobs, but for those that a fold wrote that died."""
        jobs = {KIND_AND_JOB.unpack_from(whole, FRAME.size)[1] for whole in self.frames}
        jobs.update(self.begun)
        jobs.discard(NO_JOB)
        entries = read_entries(self.layout.index, Ranges.of(jobs))
        committed = self.snapshot.committed
        return {job: entry for job, entry in entries.items() if entry.place < committed}

    def _stored(self) -> Iterator[bytes]:
        """Yield the frames to append, in order, and note their entries. The first *done* of a job
        wins, and an error counts while its attempt is the job's last."""
        place, new, known = self.snapshot.committed, self.new, self.known
        head, pack = HEAD.unpack_from, ENTRY.pack
        for segment, whole in zip(self.writers, self.frames, strict=True):
            kind, attempt, element, job, started, ended, memory, _, _, cpu = head(whole, FRAME.size)
            if kind == events.HELLO:
                segment.process = place
            else:
                before = new.get(job) or known.get(job)
                said = SAID_BY[kind]
                if before is not None and before[0] == DONE:
                    continue
                if said != DONE and self._was_taken_after(attempt, job):
                    continue
                process = segment.process
                new[job] = pack(said, attempt, element, place, process, started, ended, memory, cpu)
            place += len(whole)
            yield whole

    def _was_taken_after(self, attempt: int, job: int) -> bool:
        return any(later.number > attempt and job in later.jobs_taken for later in self.attempts)

    def _note_begun(self) -> None:
        """Jobs that have begun and not ended, so far as this batch goes."""
        for job, (segment, attempt, element) in self.begun.items():
            packed = self.new.get(job)
            known = Entry.unpack(packed) if packed else self.known.get(job)
            said, newest = (NOTHING, 0) if known is None else known[:2]
            if said in (NOTHING, SUPERSEDED) or (said == BEGUN and newest <= attempt):
                begun = Entry(BEGUN, attempt, element, 0, segment.process, segment.since)
                self.new[job] = begun.pack()

    def _note_left(self, segment: SegmentState, attempt: int, element: int) -> None:
        """It left before its last job, and is gone. Why a signal was sent, its scheduler knows."""
        endings = self.snapshot.endings.setdefault(attempt, {})
        endings[element] = segment.ending(time.time())

    def _append(self, frames: list[bytes]) -> None:
        try:
            fd = os.open(self.layout.results, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(fd, self.snapshot.committed)
                os.lseek(fd, self.snapshot.committed, os.SEEK_SET)
                write_all(fd, b"".join(frames))
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise unwritable(self.layout.results, error) from error
