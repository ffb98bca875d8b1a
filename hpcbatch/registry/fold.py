"""The fold: what many processes wrote to their segments becomes results.rec and index.bin.

Called under ``tracker.lock`` only. One batch: cut results.rec back to the committed length,
append, fsync; write index entries, fsync; publish status.json, which is the commit; then unlink
segments that ended. A crash anywhere is mended by the next fold, which does the same again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence, Set

from ..disk.files import unlink_many
from ..disk.index import ERROR, EXPIRED, SUPERSEDED, read_column, read_entries, write_entries
from ..disk.records import read_records
from ..words.events import Event, unpack_text
from ..words.layout import TaskLayout
from ..words.model import Attempt
from .batch import Batch
from .fold_check import segment_names
from .repair import mend
from .snapshot import SegmentState, Snapshot


def fold(layout: TaskLayout, attempts: Sequence[Attempt], snapshot: Snapshot) -> bool:
    """Bring ``snapshot`` and the files behind it up to date; True when anything was new."""
    mend(layout, snapshot)
    changed = _supersede_errors(layout, attempts, snapshot)
    names = segment_names(layout)
    changed |= _forget_ended(layout, snapshot, set(names))
    batch = Batch(layout, attempts, snapshot)
    for name in names:
        with contextlib.suppress(FileNotFoundError):  # listed late: another host has folded it
            batch.read(name)
    batch.commit()
    if changed and not batch.commits:
        snapshot.index = read_column(layout.index).checksum
        snapshot.publish(layout.status)
    _unlink_ended(layout, snapshot)
    return changed or batch.commits > 0


def _forget_ended(layout: TaskLayout, snapshot: Snapshot, names: Set[str]) -> bool:
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
    with contextlib.suppress(FileNotFoundError):  # listed late: another host has removed it
        for _, payload in read_records(f"{layout.segments}/{name}"):
            host, _, ticks, _, pid = unpack_text(Event.unpack(payload).body)
            return (host, ticks, int(pid)) == (state.host, state.ticks, state.pid)
    return False


def _unlink_ended(layout: TaskLayout, snapshot: Snapshot) -> None:
    """Their cursors stay until the next fold finds the files gone: nothing is folded twice."""
    ended = [name for name, state in snapshot.segments.items() if state.ended]
    unlink_many([f"{layout.segments}/{name}" for name in ended])


def _supersede_errors(layout: TaskLayout, attempts: Sequence[Attempt], snapshot: Snapshot) -> bool:
    """A job that was submitted again is no longer in error."""
    newer = [a for a in attempts if a.number > snapshot.superseded and a.is_taken]
    for attempt in newer:
        entries = read_entries(layout.index, attempt.jobs_taken) if attempt.number > 1 else {}
        old = {
            job: entry._replace(said=SUPERSEDED).pack()
            for job, entry in entries.items()
            if entry.said in (ERROR, EXPIRED) and entry.attempt < attempt.number
        }
        if old:
            write_entries(layout.index, old)
        if attempt.given_up or all(array.id for array in attempt.arrays):
            snapshot.superseded = attempt.number
    return bool(newer)
