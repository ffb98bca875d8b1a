"""Source files that were changed since they travelled with a task, which runs them as they were."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Sequence

from ..disk.files import read
from ..words.model import TaskSpec

SHOWN = 5  # files that are named


def changed_sources(spec: TaskSpec, modules: Callable[[str], Sequence[str]]) -> str:
    """Names of files that are others here by now, for a person; empty where there are none.
    ``modules`` of a task's id are the archives that travelled with it."""
    names = _changed(spec, modules) if spec.kind == "python" else []
    return ", ".join(names[:SHOWN]) + (" and others" if len(names) > SHOWN else "")


def _changed(spec: TaskSpec, modules: Callable[[str], Sequence[str]]) -> list[str]:
    """Names of files that are others here by now: of those in the newest of the archives, or the
    one that the function was written in. Empty where they are not on this machine."""
    file = os.path.abspath(spec.function.partition(" (")[2].removesuffix(")"))
    if not file.endswith(".py") or not os.path.isfile(file):
        return []
    archives = modules(spec.id)
    for archive in archives[-1:]:
        with zipfile.ZipFile(archive) as travelled:
            names = [name for name in travelled.namelist() if name.endswith(".py")]
            travels = next((own for own in names if file.endswith(f"/{own}")), "")
            # of a script, which travels by value, what is beside it
            root = file.removesuffix(travels) if travels else f"{os.path.dirname(file)}/"
            changed = [n for n in names if _is_other(f"{root}{n}", travelled.read(n))]
            if travels or changed:
                return changed
    if len(archives) > 1:  # another function was sent since, from elsewhere
        return []
    return [os.path.basename(file)] if os.stat(file).st_mtime > spec.created else []


def _is_other(path: str, content: bytes) -> bool:
    try:
        return read(path) != content
    except OSError:
        return False  # it was moved: what is here is not what travelled
