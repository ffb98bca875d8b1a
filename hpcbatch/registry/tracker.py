"""Works out the state of every job of a task.

Records decide; where there are none, an element is alive while the scheduler lists it or its
process holds its segment; an element that was missing from at least two listings for the length
of the grace has ended.
"""

from __future__ import annotations

from ..words.errors import DamagedFile, RegistryUnwritable
from ..words.layout import TaskLayout
from ..words.model import Attempt, TaskSpec
from .attempts import read_attempts
from .fold_check import index_is_whole, is_folded, segment_names
from .snapshot import Snapshot, read_snapshot
from .view import View


def refresh(layout: TaskLayout, spec: TaskSpec) -> View:
    """Fold what is new and return the task as it is now. Asks no scheduler.

    Where nothing can be folded, what was folded before is told, and why (``unfolded``).
    """
    try:
        if index_is_whole(layout, spec.njobs):
            names = segment_names(layout)
            attempts, snapshot = read_attempts(layout), read_snapshot(layout.status)
            if is_folded(layout, names, attempts, snapshot):
                view = View(layout, spec, attempts, snapshot)
                if view.index_is_as_committed:
                    return view
        from .locked_view import locked_view  # and all that folds

        with locked_view(layout, spec) as view:
            return view
    except (DamagedFile, RegistryUnwritable) as error:
        if not index_is_whole(layout, spec.njobs):
            raise
        attempts, snapshot = _readable(layout)
        return View(layout, spec, attempts, snapshot, unfolded=error)


def _readable(layout: TaskLayout) -> tuple[list[Attempt], Snapshot]:
    """What is not damaged: results can be read without the rest."""
    attempts = read_attempts(layout, but_damaged=True)
    try:
        return attempts, read_snapshot(layout.status)
    except DamagedFile:
        return attempts, Snapshot()
