"""Brings a task up to date: its records, then what its clusters tell."""

from __future__ import annotations

import warnings

from ..registry import tracker
from ..registry.registry import Registry
from ..registry.view import View
from ..words.errors import DamagedFile, RegistryError, RegistryUnwritable
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
    return view, (_note(view.unfolded),)


def updated_or_warned(registry: Registry, spec: TaskSpec) -> View:
    """The task, for answers without notes: warns where newer records are not counted."""
    view, _ = update(registry, spec)
    if view.unfolded:
        # from one line for all, which a command that asks twice then shows once
        warnings.warn(_note(view.unfolded), RuntimeWarning, stacklevel=1)
    return view


def _note(unfolded: RegistryError) -> str:
    return f"newer records are not counted, and states may be old: {unfolded}"
