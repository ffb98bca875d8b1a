"""Files that others see whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from ..words.errors import DamagedFile, RegistryError, RegistryUnwritable

TYPE_CHECKING = False  # see hpcbatch/__init__.py
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Made = TypeVar("Made")

MANY = 64  # files: below, threads cost more than they save
UNLINKERS = 8


def publish(path: str, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a reader finds the old file or the new, never a part.

    Raises RegistryUnwritable; the old file is then still there.
    """
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            write_all(fd, content)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, path)
    except OSError as error:
        unlink_quietly(temporary)
        raise unwritable(path, error) from error


def private_opener(path: str, flags: int) -> int:
    """For ``open``: of its owner alone."""
    return os.open(path, flags, 0o600)


def write_all(fd: int, content: bytes) -> None:
    """``os.write`` until all of ``content`` is written: a short write is no error of its own."""
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def append(fd: int, content: bytes, end: int) -> int:
    """Write ``content`` behind the ``end`` bytes that were written to ``fd``; returns the new end.

    Raises OSError; the file then ends as before. A job may close what it finds open, and a file of
    its own may have that number then: what stands elsewhere than at ``end`` is left alone.
    """
    try:
        is_ours = os.lseek(fd, 0, os.SEEK_CUR) == end
    except OSError:  # a pipe's, a terminal's, nobody's
        is_ours = False
    if not is_ours:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    try:
        write_all(fd, content)
    except OSError:
        os.lseek(fd, end, os.SEEK_SET)  # first: the disk may not let us cut
        os.ftruncate(fd, end)
        raise
    return end + len(content)


def read_at(fd: int, size: int, offset: int) -> bytes:
    """``size`` bytes from ``offset`` on; fewer only where the file ends."""
    content = os.pread(fd, size, offset)
    while len(content) < size and (
        more := os.pread(fd, size - len(content), offset + len(content))
    ):
        content += more
    return content


def make_folder(path: str) -> None:
    """Make a folder and its parents, each of mode 0700; what is there already is kept."""
    try:
        _make_folders(path)
    except FileExistsError as error:
        raise RegistryUnwritable(error.errno, f"{path} is there, and is no folder") from error
    except OSError as error:
        raise unwritable(path, error) from error


def _make_folders(path: str) -> None:
    """Hazard: ``os.makedirs`` leaves the mode of parents to the umask."""
    parent = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(parent):
        _make_folders(parent)
    try:
        os.mkdir(path, 0o700)
    except OSError:
        if not os.path.isdir(path):
            raise


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def read_json(path: str) -> dict[str, Any] | None:
    """None where there is no such file. Raises OSError, ValueError."""
    import json

    try:
        found: dict[str, Any] = json.loads(read(path))
    except FileNotFoundError:
        return None
    return found


def read_as(make: Callable[[Any], Made], path: str, advice: str) -> Made | None:
    """What ``make`` makes of the table of JSON in a file; None where there is no such file. Raises
    OSError, NewerFormat, and DamagedFile, with ``advice``: what to do about that file."""
    import json

    try:
        content = json.loads(read(path))
        if not isinstance(content, dict):
            raise ValueError("it holds no table")
        return make(content)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DamagedFile(f"{path} is damaged: {error}. {advice}") from error


def unlink_quietly(path: str) -> None:
    """Remove ``path`` when it can be removed; what is gone or locked away is left."""
    import contextlib

    with contextlib.suppress(OSError):
        os.unlink(path)


def unlink_many(paths: Sequence[str]) -> None:
    """Remove those of ``paths`` that can be removed. Each waits for the disk, a network's for
    longer: several wait at once."""
    if len(paths) < MANY:
        for path in paths:
            unlink_quietly(path)
    else:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(UNLINKERS) as threads:
            list(threads.map(unlink_quietly, paths))


def unwritable(path: str, error: OSError) -> RegistryUnwritable:
    return RegistryUnwritable(
        error.errno, f"cannot write {path}: {error.strerror or error}. What was there is unharmed."
    )


def unreadable(path: str, error: OSError) -> RegistryError:
    locked = error.errno in (errno.EACCES, errno.EPERM)
    advice = (
        "Its owner can give you the right to" if locked else "Try again, once the disk is there"
    )
    return RegistryError(f"cannot read {path}: {error.strerror or error}. {advice}")


def remove_tree(folder: str) -> None:
    """As far as it can be removed."""
    import shutil  # which takes 5 ms, and few remove anything

    shutil.rmtree(folder, ignore_errors=True)
