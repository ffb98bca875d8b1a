"""Which jobs are done already: asked on a node, where nobody folds."""

from __future__ import annotations

import contextlib
import os

from ..disk import index
from ..disk.records import read_records
from ..words import events
from ..words.events import Event
from ..words.layout import TaskLayout


def is_done(folder: str) -> bool:
    """Whether every job of the task is done, by what was folded and what lies in segments."""
    root, _, task_id = folder.rpartition("/")
    layout = TaskLayout(root, task_id)
    told = done_in_segments(layout, "")
    said = index.read_said(layout.index)  # after the segments: a fold moves records from there
    return all(code == index.DONE or job in told for job, code in enumerate(said))


def done_in_segments(layout: TaskLayout, beginning: str) -> set[int]:
    """Jobs with a result in segments whose names have this beginning."""
    done: set[int] = set()
    for name in os.listdir(layout.segments):
        if name.startswith(beginning):
            with contextlib.suppress(FileNotFoundError):  # folded and unlinked meanwhile
                for _, payload in read_records(f"{layout.segments}/{name}"):
                    event = Event.unpack(payload)
                    if event.kind in (events.DONE, events.DONE_ASIDE):
                        done.add(event.job)
    return done
