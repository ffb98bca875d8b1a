"""Where handles come from: a task is made, found again, or listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..registry.registry import Registry
from ..words.errors import InputError
from .create import create_task
from .task import Task


def create(
    function: Callable[..., Any],
    *inputs: Any,
    const: Mapping[str, Any] | None = None,
    name: str | None = None,
    seed: int | None = None,
    root: str | None = None,
    **named: Any,
) -> Task:
    """Store ``function`` and its inputs as a task; nothing is submitted yet.

    ``inputs`` are iterables, as for ``map``; or name them as the function does:
    ``create(f, x=range(10), y=values)``, but for the words const, name, seed and root.
    One job per position. ``const`` are arguments that are the same for every job. ``seed`` makes
    random numbers of jobs repeatable; it is drawn when absent. ``root`` is another registry than
    ``$HPCBATCH_ROOT`` or ``~/.hpcbatch``.

    Raises InputError, RegistryUnwritable, RegistryUnsafe.
    """
    for word, given in (("name", name), ("root", root)):
        if given is not None and not isinstance(given, str):
            raise InputError(
                f"{word}={given!r} is no text. create() keeps the words const, name, seed and root "
                f"for itself: give an input of the name {word!r} by position"
            )
    registry = Registry(root)
    spec = create_task(registry, function, inputs, named, const, name, seed)
    return Task(registry, spec.id)


def restore(task_id: str, root: str | None = None) -> Task:
    """A task made before, by its id, a unique beginning of it, or ``last``. Raises NotFound."""
    registry = Registry(root)
    return Task(registry, registry.find(task_id))


def tasks(root: str | None = None) -> list[Task]:
    """All tasks of a registry, oldest first."""
    registry = Registry(root)
    return [Task(registry, spec.id) for spec in registry.specs()]
