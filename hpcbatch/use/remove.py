"""Deletes a task."""

from __future__ import annotations

from ..disk.files import remove_tree
from ..registry.registry import Registry
from ..words.errors import StateError
from ..words.model import ALIVE
from .update import update


def remove(registry: Registry, task_id: str) -> None:
    """Its results and its logs as well. Raises StateError while jobs of it are alive."""
    spec = registry.spec(task_id)
    view, _ = update(registry, spec)
    if view.unfolded:
        raise view.unfolded
    if view.jobs_in(ALIVE):
        raise StateError(f"{task_id} has jobs waiting or running: cancel it first")
    registry.remove(task_id)
    for folder in {attempt.logs for attempt in view.attempts if attempt.logs}:
        remove_tree(folder)  # what is left there is text alone
