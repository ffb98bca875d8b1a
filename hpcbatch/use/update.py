"""Brings a task up to date: its records, then what its clusters tell."""

from __future__ import annotations

from ..registry import tracker
from ..registry.registry import Registry
from ..registry.view import View
from ..words.errors import DamagedFile, RegistryUnwritable
from ..words.look import Look
from ..words.model import TaskSpec


def update(
    registry: Registry, spec: TaskSpec, look: Look = Look.ONCE
) -> tuple[View, tuple[str, ...]]:
    """The task, and notes for a person: failed listings, stuck elements, other hosts."""
    view = tracker.refresh(registry.layout(spec.id), spec)
    if not view.unfolded:
        if view.is_at_rest():
            return view, ()
        from .follow import followed  # and all that talks to clusters

        try:
            return followed(registry, view, look)
        except (DamagedFile, RegistryUnwritable) as error:
            view.unfolded = error
    return view, (f"newer records are not counted, and states may be old: {view.unfolded}",)
