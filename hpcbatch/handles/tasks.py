"""Where handles come from: a task is made, found again, or listed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ..sites.base import Site
from ..sites.here import Here
from ..use.create import draft_task
from ..words.errors import InputError, UsageError
from .task import Task


def create(
    function: Callable[..., Any],
    *inputs: Any,
    const: Mapping[str, Any] | None = None,
    name: str | None = None,
    seed: int | None = None,
    root: str | None = None,
    site: Site | None = None,
    with_project: bool | str | os.PathLike[str] = False,
    **named: Any,
) -> Task:
    """Store ``function`` and its inputs as a task; nothing is submitted yet.

    ``inputs`` are iterables, as for ``map``; or name them as the function does:
    ``create(f, x=range(10), y=values)``, but for the words const, name, seed, root, site and
    with_project.
    One job per position. ``const`` are arguments that are the same for every job. ``seed`` makes
    random numbers of jobs repeatable; it is drawn when absent. ``root`` is another registry than
    ``$HPCBATCH_ROOT`` or ``~/.hpcbatch``, ``site`` a place elsewhere, see ``connect``.

    The modules beside the script, and beside the function's file, travel with the task.
    ``with_project`` sends a whole source folder, but for what git ignores, data files included:
    the one named, or with True the nearest one above the script that is the top of a git repository
    or has a pyproject.toml. Jobs import from it as the script does, from its top, and from ``src``.

    Raises InputError, RegistryUnwritable, RegistryUnsafe.
    """
    for word, given, kind, told in (
        ("name", name, str, "text"),
        ("root", root, str, "text"),
        ("site", site, Site, "site"),
        ("with_project", with_project, (bool, str, os.PathLike), "folder"),
    ):
        if given is not None and not isinstance(given, kind):
            raise InputError(
                f"{word}={given!r} is no {told}. create() keeps the words const, name, seed, root, "
                f"site and with_project for itself: give an input of the name {word!r} by position"
            )
    place = _place(root, site)
    spec = place.create(draft_task(function, inputs, named, const, name, seed, with_project))
    return Task(place, spec.id, function)


def restore(task_id: str, root: str | None = None, site: Site | None = None) -> Task:
    """A task made before, by its id, a unique beginning of it, or ``last``. Raises NotFound."""
    place = _place(root, site)
    return Task(place, place.find(task_id))


def tasks(root: str | None = None, site: Site | None = None) -> list[Task]:
    """All tasks of a registry, oldest first."""
    place = _place(root, site)
    return [Task(place, spec.id) for spec in place.specs()]


def _place(root: str | None, site: Site | None) -> Site:
    if root is not None and site is not None:
        raise UsageError("root and site exclude each other: a site has a registry of its own")
    return Here(root) if site is None else site
