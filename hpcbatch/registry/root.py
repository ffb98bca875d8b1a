"""Where the registry is, and whether what lies there may be trusted."""

from __future__ import annotations

import os
import stat

from ..disk.files import make_folder
from ..words.errors import RegistryUnsafe


def default_root() -> str:
    """``$HPCBATCH_ROOT``, or ``~/.hpcbatch``."""
    return os.path.abspath(os.path.expanduser(os.environ.get("HPCBATCH_ROOT") or "~/.hpcbatch"))


def safe_root(root: str | None = None) -> str:
    """The folder ``root``, else the default one; made when it is absent. Raises RegistryUnsafe."""
    path = os.path.abspath(os.path.expanduser(root)) if root else default_root()
    make_folder(path)
    _check_safe(path)
    return path


def _check_safe(root: str) -> None:
    if os.environ.get("HPCBATCH_SHARED_REGISTRY"):
        return
    found = os.stat(root)
    if found.st_uid != os.getuid():
        raise RegistryUnsafe(
            f"the registry {root} belongs to another user (uid {found.st_uid}): what lies there is "
            "unpickled, which runs code. Use a folder of your own, or set "
            "HPCBATCH_SHARED_REGISTRY=1 if you trust everyone who can write there."
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise RegistryUnsafe(
            f"others can write to the registry {root} (mode {found.st_mode & 0o7777:04o}): what "
            "lies there is unpickled, which runs code. Make it yours alone (chmod 700), or set "
            "HPCBATCH_SHARED_REGISTRY=1 if you trust everyone who can write there."
        )
