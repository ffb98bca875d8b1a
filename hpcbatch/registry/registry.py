"""The folder of tasks: makes, finds, lists and removes them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from ..disk.files import make_folder, publish, read_as, remove_tree, unreadable, unwritable
from ..disk.index import make_index
from ..disk.records import frame
from ..words.errors import (
    HpcbatchError,
    InputError,
    NotFound,
    RegistryError,
    StateError,
)
from ..words.ids import LAST, ids_meant
from ..words.layout import (
    TaskLayout,
    draft_name,
    grave_name,
    is_draft,
    is_grave,
    is_task_id,
    new_task_id,
    safe_name,
)
from ..words.messages import nearest
from ..words.model import TaskSpec
from .root import check_root, made_root, safe_root

if TYPE_CHECKING:
    from .draft import Draft

ABANDONED = 7 * 86400.0  # seconds: a draft is written in less


class Registry:
    """The registry in folder ``root``, which the first task makes (mode 0700).

    Raises RegistryUnsafe when somebody else owns the folder or could write to it, unless
    ``$HPCBATCH_SHARED_REGISTRY`` is set: unpickling what lies there is running code.
    """

    def __init__(self, root: str | None = None):
        self.root = safe_root(root)
        self._is_safe = False  # whether it was seen to be

    def _check(self) -> None:
        """Hazard: what was absent may be made by somebody else."""
        self._is_safe = self._is_safe or check_root(self.root)

    def layout(self, task_id: str) -> TaskLayout:
        self._check()
        return TaskLayout(self.root, task_id)

    def create(self, draft: Draft) -> TaskSpec:
        """Store a new task, whole or not at all; returns its specification with id and job
        count."""
        from ..disk.packed import write_packed

        made_root(self.root)
        task_id = draft.spec.id or new_task_id(draft.spec.name)
        new = TaskLayout(self.root, draft_name(task_id))
        if draft.spec.id:
            remove_tree(new.folder)  # of a process that was killed here
        try:
            for folder in (new.folder, new.attempts, new.segments, new.logs):
                make_folder(folder)
            njobs = write_packed(new.inputs, draft.inputs)
            if njobs == 0:
                raise InputError("there are no inputs: a task needs at least one job")
            spec = replace(draft.spec, id=task_id, njobs=njobs)
            publish(new.function, b"".join(map(frame, draft.function)))
            if draft.code is not None:
                publish(new.code, draft.code)
            make_index(new.index, njobs)
            publish(new.spec, json.dumps(spec.to_json(), indent=1).encode())
            os.rename(new.folder, self.layout(task_id).folder)
        except BaseException as error:
            remove_tree(new.folder)
            if isinstance(error, OSError) and error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise another_task(task_id) from error
            if isinstance(error, OSError) and not isinstance(error, HpcbatchError):
                raise unwritable(new.folder, error) from error
            raise
        return spec

    def ids(self) -> list[str]:
        self._check()
        try:
            return sorted(name for name in os.listdir(self.root) if is_task_id(name))
        except FileNotFoundError:
            return []

    def spec(self, task_id: str) -> TaskSpec:
        """Raises NotFound, DamagedFile, NewerFormat; RegistryError where it may not be read."""
        path = self.layout(task_id).spec
        folder = os.path.dirname(path)
        advice = f"Put it back from a backup, or delete the task's folder {folder}"
        try:
            found = read_as(TaskSpec.from_json, path, advice)
        except OSError as error:
            raise unreadable(path, error) from error
        if found is None:
            raise NotFound(f"there is no task {task_id!r} in {self.root}")
        return found

    def specs(self) -> list[TaskSpec]:
        """All tasks, oldest first; warns of those that cannot be read."""
        found = []
        for task_id in self.ids():
            try:
                found.append(self.spec(task_id))
            except NotFound:
                continue  # it was removed just now
            except RegistryError as error:
                warnings.warn(str(error), RuntimeWarning, stacklevel=3)
        return sorted(found, key=lambda spec: spec.created)

    def find(self, text: str, asking: str = "") -> str:
        """The id that ``text`` means: an id, its unique beginning, or ``last``, which is never the
        task ``asking`` itself. Raises NotFound."""
        return self.find_among(self.ids(), text, f"in {self.root}", asking)

    def find_among(self, ids: list[str], text: str, where: str, asking: str = "") -> str:
        """Like ``find``, where only some of the tasks are to be known of; ``where`` these are, as
        whoever asks knows it."""
        if not isinstance(text, str):
            raise NotFound(f"{text!r} is no task's id, which is text")
        if text == LAST:
            others = [task_id for task_id in ids if task_id != asking and self._made(task_id)]
            ids = sorted(others, key=self._made)[-1:]
        if not ids:
            none = "no other" if asking else "none"
            raise NotFound(f"there is no task {text!r}: there is {none} yet {where}")
        if text == LAST:
            return ids[0]
        found = ids_meant(ids, text)
        if len(found) == 1:
            return found[0]
        if not found:
            hint = _hint_of_id(ids, text) if is_task_id(text) else _hint_of_name(ids, text)
            raise NotFound(f"there is no task {text!r} {where}{hint}")
        raise NotFound(f"{text!r} is the beginning of several tasks: {', '.join(found[:8])}")

    def _made(self, task_id: str) -> int:
        """When, in nanoseconds since the epoch; 0 where there is no such task (any more)."""
        try:
            return os.stat(self.layout(task_id).spec).st_mtime_ns
        except OSError:
            return 0

    def remove(self, task_id: str) -> None:
        """Delete a task's folder; under a hidden name first, so that no half of it is seen."""
        self.bury(task_id)
        self.clear()

    def bury(self, task_id: str) -> None:
        """Hide a task's folder, to be removed by ``clear``."""
        folder = self.layout(task_id).folder
        grave = f"{self.root}/{grave_name(task_id)}"
        try:
            os.rename(folder, grave)
        except OSError as error:
            raise unwritable(folder, error) from error

    def clear(self) -> None:
        """Delete what is buried, and what others left that were killed."""
        for entry in list(os.scandir(self.root)):
            if is_grave(entry.name) or (is_draft(entry.name) and _is_abandoned(entry)):
                remove_tree(entry.path)


def _hint_of_name(ids: list[str], text: str) -> str:
    name = safe_name(text)
    named = [each for each in ids if name and each.endswith(f"__{name}")]
    return f": that is a name, of {', '.join(named[:8])}" if named else nearest(text, ids[:200])


def _hint_of_id(ids: list[str], text: str) -> str:
    """One whose random part is another is another task, however alike their names are."""
    import difflib

    parts = {each.partition("__")[0]: each for each in ids}
    close = difflib.get_close_matches(text.partition("__")[0], parts, 1, 0.75)
    if close:
        return f"; did you mean {parts[close[0]]!r}?"
    return ": if it is a task of another site, name that (--site)"


def another_task(task_id: str) -> StateError:
    return StateError(f"there is another task {task_id}: create yours anew, under another id")


def _is_abandoned(draft: os.DirEntry[str]) -> bool:
    with contextlib.suppress(OSError):  # it is a task by now
        return time.time() - draft.stat().st_mtime > ABANDONED
    return False
