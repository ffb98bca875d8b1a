"""Where the registry is, and whether what lies there may be trusted."""

from __future__ import annotations

import errno
import os
import stat

from ..disk.exposure import WRITES, exposure
from ..disk.files import make_folder, unwritable
from ..words.errors import RegistryUnsafe, RegistryUnwritable


def default_root() -> str:
    """``$HPCBATCH_ROOT``, or ``~/.hpcbatch``."""
    return os.path.abspath(os.path.expanduser(os.environ.get("HPCBATCH_ROOT") or "~/.hpcbatch"))


def safe_root(root: str | None = None) -> str:
    """The folder ``root``, else the default one, which need not be there. Raises RegistryUnsafe,
    RegistryUnwritable where there is no folder to be."""
    path = os.path.abspath(os.path.expanduser(root)) if root else default_root()
    check_root(path)
    return path


def check_root(path: str) -> bool:
    """Whether it is there, and safe: until then it has to be checked again. Raises as
    ``safe_root``."""
    try:
        _check_safe(path, os.stat(path))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise unwritable(path, error) from error
    return True


def made_root(root: str | None = None) -> str:
    """Like ``safe_root``, made where it is missing."""
    path = safe_root(root)
    make_folder(path)
    check_root(path)  # somebody else may have been faster
    return path


def _check_safe(root: str, found: os.stat_result) -> None:
    if not stat.S_ISDIR(found.st_mode):
        raise RegistryUnwritable(errno.ENOTDIR, f"{root} is there, and is no folder")
    if os.environ.get("HPCBATCH_SHARED_REGISTRY"):
        return
    if how := exposure(found, WRITES):
        raise RegistryUnsafe(
            f"others can write to the registry {root} ({how}): what lies there is unpickled, which "
            "runs code. Use a folder that is yours alone (chmod 700), or set "
            "HPCBATCH_SHARED_REGISTRY=1 if you trust everyone who can write there."
        )
