"""Folders that are this user's alone: of the sockets of kept connections, and of results."""

from __future__ import annotations

import hashlib
import os

from ...disk.exposure import check_private, make_private
from ...disk.files import make_folder


def sockets() -> str:
    """Made where it is missing. Raises RegistryUnsafe, RegistryUnwritable."""
    path = os.environ.get("HPCBATCH_SSH_SOCKETS") or _usual()
    make_private(path, "set HPCBATCH_SSH_SOCKETS")
    return path


def socket_of(login: str) -> str:
    """Short: the path of a socket has at most 107 bytes."""
    home = os.path.expanduser("~")  # with another ~/.ssh/config the same name is another host
    return f"{sockets()}/{hashlib.sha256(f'{login} {home}'.encode()).hexdigest()[:16]}"


def results(place: str) -> str:
    """Where results of a site are kept that have come here. Raises RegistryUnsafe,
    RegistryUnwritable."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = f"{cache}/hpcbatch/results/{hashlib.sha256(place.encode()).hexdigest()[:16]}"
    make_folder(path)
    check_private(path, "set XDG_CACHE_HOME")
    return path


def _usual() -> str:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and os.path.isdir(runtime):
        return f"{runtime}/hpcbatch"
    return f"/tmp/hpcbatch-ssh-{os.getuid()}"
