"""Folders whose contents are believed: nobody else may look into them."""

from __future__ import annotations

import os
import stat

from ..words.errors import RegistryUnsafe


def check_private(path: str, elsewhere: str) -> None:
    """Raises RegistryUnsafe where ``path`` is not a folder that this user alone can look into, and
    OSError where it is not there. ``elsewhere`` is what to do to have another one."""
    info = os.lstat(path)
    if not stat.S_ISDIR(info.st_mode):
        raise RegistryUnsafe(f"{path} is not a folder (a symbolic link is refused): remove it")
    if info.st_uid != os.geteuid():
        raise RegistryUnsafe(f"{path} belongs to user {info.st_uid}: {elsewhere}")
    if stat.S_IMODE(info.st_mode) & 0o077:
        raise RegistryUnsafe(f"{path} is open to others: chmod 700 it if nobody else wrote there")
