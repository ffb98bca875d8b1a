"""Tasks on their way here: parts of a file, until all of it is there and becomes a task."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from dataclasses import asdict, dataclass
from typing import Any

from ..disk.files import (
    make_folder,
    publish,
    read_as,
    remove_tree,
    unlink_quietly,
    unwritable,
    write_all,
)
from ..disk.locks import held
from ..registry.registry import Registry, another_task
from ..words.errors import InputError, NotFound, RegistryUnwritable
from ..words.layout import is_task_id
from . import parcel
from .digest import digest_of

LARGEST = 1 << 40  # bytes
MEND = "Whoever owns the folder is to remove it; then submit the task anew"
PATIENCE = 60.0  # seconds that a part may wait for another one of its task
TIDIED_EVERY = 3600.0  # seconds
KEPT = 86400.0  # seconds without a part, after which the beginning of an upload is removed
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class Upload:
    """What its client says of an upload."""

    task: str
    owner: str
    size: int
    digest: str  # SHA-256


def _upload(fields: dict[str, Any]) -> Upload:
    return Upload(**fields)


class Uploads:
    """Uploads in ``folder``, which become tasks of ``registry``. Several processes may have it."""

    def __init__(self, folder: str, registry: Registry):
        make_folder(folder)
        self._folder, self._registry = folder, registry
        self._tidied = float("-inf")

    def begin(self, told: Upload) -> int:
        """The bytes that are here; all of them where the task was stored. Raises InputError,
        StateError for the id of another task, DamagedFile."""
        if not is_task_id(told.task) or not _DIGEST.match(told.digest):
            raise InputError("an upload begins with a task's id and a SHA-256")
        if not 0 < told.size <= LARGEST:
            raise InputError(f"{told.size} bytes are no size of a task")
        self._forget_old()
        with held(self._lock(told.task), PATIENCE):
            if (stored := self._stored(told.task)) is not None:
                if stored != told:
                    raise another_task(told.task)
                return told.size
            path = self._path(told.task)
            begun = self._begun_upload(told.task)
            is_known = begun == told
            if os.path.exists(self._registry.layout(told.task).folder):
                if not is_known:
                    raise another_task(told.task)
                self._finish(told)  # a server that was killed had stored it
                return told.size
            if not is_known:
                if begun is not None and begun.owner != told.owner:
                    raise another_task(told.task)
                unlink_quietly(path)
                publish(f"{path}.json", json.dumps(asdict(told)).encode())
            here = os.path.getsize(path) if os.path.exists(path) else 0
            if here == told.size:  # whoever had all of it was killed before it was stored
                self._store(told)
            return here

    def add(self, task_id: str, owner: str, offset: int, content: bytes) -> int:
        """Append a part; returns the bytes that are here. One that was here before is not taken
        twice. Raises NotFound, InputError, DamagedFile; RegistryUnwritable, after which it begins
        anew."""
        if not is_task_id(task_id):
            raise NotFound(f"there is no upload {task_id!r}")
        with held(self._lock(task_id), PATIENCE):
            if (stored := self._stored(task_id)) is not None and stored.owner == owner:
                return stored.size
            told = self._begun_upload(task_id)
            if told is None or told.owner != owner:
                raise NotFound(f"there is no upload {task_id!r}")
            try:
                here = self._append(told, offset, content)
                if here == told.size:
                    self._store(told)
            except RegistryUnwritable:
                unlink_quietly(self._path(task_id))  # a full disk needs the room
                raise
            return here

    def _append(self, told: Upload, offset: int, content: bytes) -> int:
        path = self._path(told.task)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                here = os.fstat(fd).st_size
                if offset != here:
                    return here  # the client goes on from there
                if here + len(content) > told.size:
                    raise InputError("there are more bytes than were told")
                os.lseek(fd, here, os.SEEK_SET)
                write_all(fd, content)
            finally:
                os.close(fd)
        except OSError as error:
            raise unwritable(path, error) from error
        return here + len(content)

    def _store(self, told: Upload) -> None:
        path = self._path(told.task)
        if digest_of(path) != told.digest:
            self._drop(told.task)
            raise InputError("what was uploaded was altered on its way: upload it again")
        try:
            parcel.unpack(path, self._registry, told.task, told.owner)
        except InputError:
            self._drop(told.task)
            raise
        self._finish(told)

    def _finish(self, told: Upload) -> None:
        publish(f"{self._path(told.task)}.stored", json.dumps(asdict(told)).encode())
        self._drop(told.task)

    def _stored(self, task_id: str) -> Upload | None:
        """Of an upload that has become a task, which may have been removed since."""
        return read_as(_upload, f"{self._path(task_id)}.stored", MEND)

    def _begun_upload(self, task_id: str) -> Upload | None:
        """Of one that has begun."""
        return read_as(_upload, f"{self._path(task_id)}.json", MEND)

    def _path(self, task_id: str) -> str:
        return f"{self._folder}/{task_id}"

    def _lock(self, task_id: str) -> str:
        return f"{self._path(task_id)}.lock"

    def _drop(self, task_id: str) -> None:
        unlink_quietly(self._path(task_id))
        unlink_quietly(f"{self._path(task_id)}.json")

    def _forget_old(self) -> None:
        if time.monotonic() < self._tidied + TIDIED_EVERY:
            return
        self._tidied = time.monotonic()
        for found in os.scandir(self._folder):
            with contextlib.suppress(FileNotFoundError):
                if found.stat().st_mtime < time.time() - KEPT:
                    (remove_tree if found.is_dir() else unlink_quietly)(found.path)
