"""Locks between processes, on a file that the operating system frees when its holder dies."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from struct import Struct

from ..words.errors import RegistryBusy
from .files import unwritable


@contextlib.contextmanager
def held(path: str, seconds: float) -> Iterator[None]:
    """Hold the lock ``path``, waiting for it up to ``seconds``.

    Raises RegistryBusy when it is not free by then, RegistryUnwritable when it cannot be made.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, mode=0o600)
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        raise RegistryBusy(
            f"{_holder(path)} holds {path}, and {seconds:.0f} s were not enough: try again. Should "
            "it be gone for good (its host died), remove that file"
        ) from None
    except NotImplementedError as error:
        raise unwritable(path, OSError(errno.ENOLCK, "this disk has no locks")) from error
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        _sign(path)
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def held_if_free(path: str) -> Iterator[bool]:
    """Hold the lock ``path`` if nobody does, and tell whether. It is flock(2) itself, which
    ``held`` takes too: to load what can wait for a lock takes a third of a status.

    Raises RegistryUnwritable when it cannot be made.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        yield _take(fd, path)
    finally:
        os.close(fd)


def is_held(path: str) -> bool:
    """Whether somebody holds the lock ``path``. To look disturbs no one who looks too."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _take(fd, path, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _take(fd: int, path: str, kind: int = fcntl.LOCK_EX) -> bool:
    """Whether the lock was free, and is ours until ``fd`` is closed."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise unwritable(path, error) from error
    return True


def _sign(path: str) -> None:
    """Leave word who holds the lock, for those who wait in vain."""
    with contextlib.suppress(OSError), open(path, "w", encoding="utf-8") as file:
        file.write(f"process {os.getpid()} on {os.uname().nodename}")


def _holder(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(200) or "another process"
    except OSError:
        return "another process"


def held_by(path: str) -> int | None:
    """The pid on this host that holds the file's lock; None when nobody here does.

    Only asks (F_GETLK) and never takes the lock. A holder on another host has no pid here.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        lock = first_lock(fd)
    except OSError:
        return None
    finally:
        os.close(fd)
    return lock[1] if lock is not None and lock[1] > 0 else None


def first_lock(fd: int, start: int = 0, length: int = 0) -> tuple[int, int] | None:
    """The first byte that another process has locked in ``length`` bytes from ``start`` (0: to the
    end of all files), and its pid, which is not positive where it is elsewhere. By F_GETLK of
    fcntl(2); raises OSError."""
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    kind, _, at, _, pid = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, asked))
    return None if kind == fcntl.F_UNLCK else (at, pid)


_FLOCK = Struct("hhqqi4x")  # struct flock of 64-bit Linux: type, whence, start, length, pid
