"""The user's own modules, which travel as source in code.zip."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..words.assignment import Assignment

if TYPE_CHECKING:
    from zipfile import ZipFile

PREFIX = "hpcbatch-code-"
FRESH = 60.0  # seconds that a folder may be without its lock


@contextlib.contextmanager
def on_path(folder: str, assignment: Assignment) -> Iterator[None]:
    """Put the task's archives of modules on ``sys.path``, behind our own, while entered: the last
    comes first. Those with data are unpacked to a temporary folder, so that a package finds its
    data beside its source."""
    with contextlib.ExitStack() as stack:
        for name in assignment.code:
            archive = f"{folder}/{name}"
            unpacks = name in assignment.unpacked
            sys.path[1:1] = stack.enter_context(_unpacked(archive)) if unpacks else [archive]
        yield


def import_paths(archive: ZipFile) -> list[str]:
    """The folders in an archive that its modules are imported from: of a project several."""
    import json

    return list(json.loads(archive.comment)) if archive.comment else ["."]


def extract(archive: ZipFile, folder: str) -> None:
    """All that is in it; zipfile forgets which files are programs."""
    for member in archive.infolist():
        path = archive.extract(member, folder)
        if member.external_attr >> 16 & 0o100:
            os.chmod(path, 0o700)


@contextlib.contextmanager
def _unpacked(archive: str) -> Iterator[list[str]]:
    import tempfile
    import zipfile

    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder:
        fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)  # held by us and by the jobs that we fork
            _remove_left(os.path.dirname(folder))
            with zipfile.ZipFile(archive) as file:
                extract(file, folder)
                paths = import_paths(file)
            yield [os.path.normpath(f"{folder}/{path}") for path in paths]
        finally:
            os.close(fd)


def _remove_left(parent: str) -> None:
    """Remove what processes of this user left that were killed."""
    import shutil

    for entry in os.scandir(parent):
        if entry.name.startswith(PREFIX):
            with contextlib.suppress(OSError):  # gone, or another user's
                is_fresh = time.time() - entry.stat(follow_symlinks=False).st_mtime < FRESH
                if is_fresh or entry.stat(follow_symlinks=False).st_uid != os.getuid():
                    continue
                fd = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(entry.path, ignore_errors=True)
                finally:
                    os.close(fd)
