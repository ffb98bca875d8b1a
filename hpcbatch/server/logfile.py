"""The log of a server in the background: its output, whose file is begun anew when it is large."""

from __future__ import annotations

import os

from ..disk.files import private_opener

LARGEST = 10 << 20  # bytes; the one before is kept beside it
OUTPUTS = (1, 2)


def renew_if_large(path: str) -> None:
    """Where this process writes to ``path``: what it has written becomes ``path``.1. Raises
    OSError."""
    own = [fd for fd in OUTPUTS if _is_same(fd, path)]
    if not own or os.fstat(own[0]).st_size < LARGEST:
        return
    with open(f"{path}.new", "ab", opener=private_opener) as file:
        os.replace(path, f"{path}.1")
        os.replace(f"{path}.new", path)
        for fd in own:
            os.dup2(file.fileno(), fd)


def _is_same(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except OSError:
        return False
