"""The fold: what many processes wrote to their segments becomes results.rec and index.bin.

Called under ``tracker.lock`` only. One batch: cut results.rec back to the committed length,
append, fsync; write index entries, fsync; publish status.json, which is the commit; then unlink
segments that ended. A crash anywhere is mended by the next fold, which does the same again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence

from ..disk.files import unlink_quietly, unwritable, write_all
from ..disk.index import BEGUN, DONE, ERROR, SUPERSEDED, Entry, read_entries, write_entries
from ..disk.records import frame, read_records
from ..words import events
from ..words.events import Event, unpack_text
from ..words.layout import TaskLayout, segment_owner
from ..words.model import Attempt, Ending
from ..words.ranges import Ranges
from .repair import mend
from .snapshot import SegmentState, Snapshot

BATCH_RECORDS = 20_000
BATCH_BYTES = 16 << 20
NO_JOB = (1 << 64) - 1


def fold(layout: TaskLayout, attempts: Sequence[Attempt], snapshot: Snapshot) -> bool:
    """Bring ``snapshot`` and the files behind it up to date; True when anything was new."""
    mend(layout, snapshot)
    changed = _supersede_errors(layout, attempts, snapshot)
    names = _segment_names(layout)
    changed |= _forget_ended(layout, snapshot, names)
    batch = _Batch(layout, attempts, snapshot)
    for name in names:
        state = snapshot.segments.get(name) or SegmentState()
        for cursor, payload in read_records(f"{layout.segments}/{name}", state.cursor):
            snapshot.segments[name] = state
            batch.add(name, cursor, payload)
            if batch.is_full:
                batch.commit()
                changed = True
    if batch.commit() or changed:
        changed = True
        snapshot.publish(layout.status)
    _unlink_ended(layout, snapshot)
    return changed


def is_folded(layout: TaskLayout, attempts: Sequence[Attempt], snapshot: Snapshot) -> bool:
    """Whether a fold would find nothing to do; asked without the lock."""
    submitted = [attempt.number for attempt in attempts if attempt.submitted_arrays]
    return (
        snapshot.committed > 0
        and not _segment_names(layout)
        and max(submitted, default=0) <= snapshot.superseded
        and not any(state.ended for state in snapshot.segments.values())
    )


def _segment_names(layout: TaskLayout) -> list[str]:
    try:
        return sorted(name for name in os.listdir(layout.segments) if name.endswith(".seg"))
    except FileNotFoundError:
        return []


def _forget_ended(layout: TaskLayout, snapshot: Snapshot, names: list[str]) -> bool:
    """Forget ended segments whose file is gone, or is another process's: names come again
    when the scheduler runs an element a second time."""
    gone = [
        name
        for name, state in snapshot.segments.items()
        if state.ended and not (name in names and _is_same_process(layout, name, state))
    ]
    for name in gone:
        del snapshot.segments[name]
    return bool(gone)


def _is_same_process(layout: TaskLayout, name: str, state: SegmentState) -> bool:
    for _, payload in read_records(f"{layout.segments}/{name}"):
        host, _, ticks, _, pid = unpack_text(Event.unpack(payload).body)
        return (host, ticks, int(pid)) == (state.host, state.ticks, state.pid)
    return False


def _unlink_ended(layout: TaskLayout, snapshot: Snapshot) -> None:
    """Their cursors stay until the next fold finds the files gone: nothing is folded twice."""
    for name, state in snapshot.segments.items():
        if state.ended:
            unlink_quietly(f"{layout.segments}/{name}")


def _supersede_errors(layout: TaskLayout, attempts: Sequence[Attempt], snapshot: Snapshot) -> bool:
    """A job that was submitted again is no longer in error."""
    newer = [a for a in attempts if a.number > snapshot.superseded and a.submitted_arrays]
    for attempt in newer:
        entries = read_entries(layout.index, attempt.jobs()) if attempt.number > 1 else {}
        old = {
            job: entry
            for job, entry in entries.items()
            if entry.said == ERROR and entry.attempt < attempt.number
        }
        for entry in old.values():
            entry.said = SUPERSEDED
        if old:
            write_entries(layout.index, old)
        if all(array.id for array in attempt.arrays):
            snapshot.superseded = attempt.number
    return bool(newer)


class _Batch:
    """Records of any segments, committed together."""

    def __init__(self, layout: TaskLayout, attempts: Sequence[Attempt], snapshot: Snapshot):
        self.layout, self.attempts, self.snapshot = layout, attempts, snapshot
        self._clear()

    def _clear(self) -> None:
        self.records: list[tuple[SegmentState, Event, bytes]] = []
        self.cursors: dict[str, int] = {}
        self.bytes = 0

    @property
    def is_full(self) -> bool:
        return len(self.records) >= BATCH_RECORDS or self.bytes >= BATCH_BYTES

    def add(self, name: str, cursor: int, payload: bytes) -> None:
        segment = self.snapshot.segments[name]
        segment.lost = False
        self.records.append((segment, Event.unpack(payload), payload))
        self.cursors[name] = cursor
        self.bytes += len(payload)

    def commit(self) -> bool:
        if not self.records:
            return False
        jobs = Ranges.of(  # also those begun in earlier batches: they may be done elsewhere by now
            job
            for segment, event, _ in self.records
            for job in (event.job, segment.job)
            if job is not None and job != NO_JOB
        )
        entries = read_entries(self.layout.index, jobs)
        before = dict(entries)
        frames = list(self._apply(entries))
        for name in self.cursors:
            self._note_begun(entries, self.snapshot.segments[name], *segment_owner(name))
        self._append(frames)
        changed = {job: entry for job, entry in entries.items() if entry is not before.get(job)}
        if changed:
            write_entries(self.layout.index, changed)
        self.snapshot.committed += sum(map(len, frames))
        for name, cursor in self.cursors.items():
            self.snapshot.segments[name].cursor = cursor
        self.snapshot.publish(self.layout.status)
        self._clear()
        return True

    def _apply(self, entries: dict[int, Entry]) -> Iterator[bytes]:
        """Yield the frames to append, in order, and bring ``entries`` up to date."""
        place = self.snapshot.committed
        for segment, event, payload in self.records:
            kind = event.kind
            if kind == events.STARTED:
                segment.job, segment.since = event.job, event.started
                continue
            if kind in (events.DONE, events.DONE_ASIDE, events.ERROR):
                segment.job = None
                if not self._store(entries, segment, event, place):
                    continue
            elif kind == events.HELLO:
                segment.process = place
                segment.host, segment.boot, segment.ticks, _, pid = unpack_text(event.body)
                segment.pid = int(pid)
            else:
                self._note_begun(entries, segment, event.attempt, event.element)
                if kind == events.LEAVE:
                    self._note_leave(segment, event)
                elif kind == events.END:
                    segment.ended, segment.job = True, None
                continue
            whole = frame(payload)
            place += len(whole)
            yield whole

    def _store(
        self, entries: dict[int, Entry], segment: SegmentState, event: Event, place: int
    ) -> bool:
        """Let the record count, if it does: the first *done* wins, and an error counts while its
        attempt is the job's last."""
        job = event.job
        known = entries.get(job)
        if known is not None and known.said == DONE:
            return False
        said = ERROR if event.kind == events.ERROR else DONE
        if said == ERROR and any(
            later.number > event.attempt and job in later.jobs() for later in self.attempts
        ):
            return False
        entries[job] = Entry(
            said,
            event.attempt,
            event.element,
            place,
            segment.process,
            event.started,
            event.ended,
            event.memory,
            event.cpu,
        )
        return True

    def _note_begun(
        self, entries: dict[int, Entry], segment: SegmentState, attempt: int, element: int
    ) -> None:
        """A job that has begun and not ended, so far as this batch goes."""
        if segment.job is None:
            return
        known = entries.get(segment.job)
        if known is None or known.said in (BEGUN, SUPERSEDED):
            begun = Entry(BEGUN, attempt, element, 0, segment.process, segment.since)
            entries[segment.job] = begun

    def _note_leave(self, segment: SegmentState, event: Event) -> None:
        segment.left = unpack_text(event.body)[0]
        endings = self.snapshot.endings.setdefault(event.attempt, {})
        vague = segment.left.startswith("signal ")
        endings[event.element] = Ending(
            segment.left, host=segment.host, time=time.time(), vague=vague
        )

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
