"""Locks between processes, on a file that the operating system frees when its holder dies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

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
            f"another process holds {path}, and {seconds:.0f} s were not enough: try again"
        ) from None
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        yield
    finally:
        lock.release()
