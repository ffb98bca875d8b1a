"""What a fold finds after a crash or a loss, and sets right before it goes on."""

from __future__ import annotations

import os
import shutil

from ..disk.files import unlink_quietly, unwritable
from ..disk.index import (
    DONE,
    ENTRY,
    NOTHING,
    SAID_BY,
    Column,
    Entry,
    make_index,
    read_column,
    read_entries,
    write_entries,
)
from ..disk.records import FRAME, read_records
from ..words import events
from ..words.errors import DamagedFile
from ..words.events import Event
from ..words.layout import TaskLayout
from ..words.ranges import Ranges
from .fold_check import index_is_whole
from .snapshot import Snapshot

BLOCK = 50_000  # entries looked at in one go


def mend(layout: TaskLayout, snapshot: Snapshot) -> None:
    """Make results.rec, the index and ``snapshot`` agree. Raises DamagedFile.

    A results.rec that is longer than committed tells of a crashed fold: index entries that point
    behind the commit are taken back, else they would count once the file has grown past them.
    Without any commit (status.json was lost) all that lies in results.rec is taken as committed.
    """
    size = _size(layout.results)
    if size < snapshot.committed:
        raise DamagedFile(
            f"{layout.results} is damaged: it has {size} bytes, and {snapshot.committed} were "
            "stored. Results may be lost; restore the file, or resubmit in a new task"
        )
    if size > 0 and snapshot.committed == 0:
        _rebuild(layout, snapshot, layout.index)
    elif size > snapshot.committed:
        _take_back(layout, snapshot.committed)


def _size(path: str) -> int:
    """Bytes in a file; 0 when there is none. Opened for it: over a network, the attributes of a
    name may be a minute old."""
    try:
        with open(path, "rb") as file:
            return os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return 0


def _take_back(layout: TaskLayout, committed: int) -> None:
    njobs = os.path.getsize(layout.index) // ENTRY.size
    for first in range(0, njobs, BLOCK):
        jobs = Ranges([(first, min(first + BLOCK, njobs))])
        wrong = {
            job: Entry(NOTHING, 0, 0).pack()
            for job, entry in read_entries(layout.index, jobs).items()
            if entry.place >= committed
        }
        if wrong:
            write_entries(layout.index, wrong)


def _rebuild(layout: TaskLayout, snapshot: Snapshot, index: str) -> None:
    """Fill the index in file ``index``; errors of earlier attempts are to be set aside again."""
    snapshot.superseded = 0
    processes: dict[tuple[int, int], int] = {}
    entries: dict[int, Entry] = {}
    for end, payload in read_records(layout.results):
        place = end - FRAME.size - len(payload)
        event = Event.unpack(payload)
        owner = event.attempt, event.element
        if event.kind == events.HELLO:
            processes[owner] = place
        elif event.job not in entries or entries[event.job].said != DONE:
            entries[event.job] = Entry(
                SAID_BY[event.kind],
                *owner,
                place,
                processes.get(owner, 0),
                event.started,
                event.ended,
                event.memory,
                event.cpu,
            )
        snapshot.committed = max(snapshot.committed, end)
    if snapshot.committed < _size(layout.results):
        _keep_copy(layout)  # the next append cuts it
    write_entries(index, {job: entry.pack() for job, entry in entries.items()})


def _keep_copy(layout: TaskLayout) -> None:
    try:
        shutil.copyfile(layout.results, layout.damaged_results)
    except OSError as error:
        unlink_quietly(layout.damaged_results)
        raise unwritable(layout.damaged_results, error) from error


def mend_index(layout: TaskLayout, njobs: int, snapshot: Snapshot) -> Column | None:
    """Where the index was lost, cut or damaged, make it anew from results.rec; seen when it is
    whole. What began and has no record yet is forgotten by that.

    Returns what the index says where that had to be read. A results.rec that is longer than
    committed tells of a fold that died, and may have changed the index before.
    """
    if index_is_whole(layout, njobs):
        if snapshot.index is None or _size(layout.results) != snapshot.committed:
            return None
        column = read_column(layout.index)
        if column.checksum == snapshot.index:
            return column
    if os.path.exists(layout.index):
        os.replace(layout.index, layout.damaged_index)
    unlink_quietly(layout.new_index)  # of a client that died here
    make_index(layout.new_index, njobs)
    if os.path.exists(layout.results):
        _rebuild(layout, snapshot, layout.new_index)
    os.replace(layout.new_index, layout.index)
    return None
