"""Deletes a task."""

from __future__ import annotations

import contextlib

from ..disk.files import remove_tree
from ..registry import tracker
from ..registry.attempts import submitting
from ..registry.registry import Registry
from ..registry.view import View
from ..words.errors import RegistryUnwritable, StateError
from ..words.model import ALIVE
from .in_doubt import waiting_seconds
from .update import update


def remove(registry: Registry, task_id: str) -> None:
    """Its results and its logs as well. Raises StateError while jobs of it are alive, or may yet
    turn out to be; RegistryBusy while it is being submitted."""
    spec = registry.spec(task_id)
    layout = registry.layout(task_id)
    update(registry, spec)  # which settles what is in doubt, and holds the lock for that
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(RegistryUnwritable):  # a full disk, which this is to empty
            stack.enter_context(submitting(layout))
        view = tracker.refresh(layout, spec)
        _check_nothing_lives(view)
        registry.bury(task_id)
    registry.clear()  # no lock is open there any more, which would keep files on a network's disk
    for folder in {attempt.logs for attempt in view.attempts if attempt.logs}:
        remove_tree(folder)  # what is left there is text alone


def _check_nothing_lives(view: View) -> None:
    if view.unfolded:
        raise view.unfolded
    if view.jobs_in(ALIVE):
        raise StateError(f"{view.spec.id} has jobs waiting or running: cancel it first")
    doubtful = [attempt for attempt in view.attempts if attempt.may_still_be_taken]
    if doubtful:
        raise StateError(
            f"a submission of {view.spec.id} was interrupted, and may still show up: cancel it "
            f"first, or try again in {max(map(waiting_seconds, doubtful)):.0f} s"
        )
