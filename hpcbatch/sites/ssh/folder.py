"""Where the sockets of kept connections lie: a folder that is this user's alone."""

from __future__ import annotations

import hashlib
import os
import stat

from ...disk.files import unwritable
from ...words.errors import RegistryUnsafe


def sockets() -> str:
    """Made where it is missing. Raises RegistryUnsafe, RegistryUnwritable."""
    path = os.environ.get("HPCBATCH_SSH_SOCKETS") or _usual()
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise unwritable(path, error) from error
    found = os.lstat(path)
    is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not is_own or found.st_mode & 0o077:
        raise RegistryUnsafe(
            f"{path} is not a folder of yours alone (mode 0700): whoever can use what lies there "
            "is you at every site. Remove it, or name another in HPCBATCH_SSH_SOCKETS"
        )
    return path


def _usual() -> str:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and os.path.isdir(runtime):
        return f"{runtime}/hpcbatch"
    return f"/tmp/hpcbatch-ssh-{os.getuid()}"


def socket_of(login: str) -> str:
    """Short: the path of a socket has at most 107 bytes."""
    home = os.path.expanduser("~")  # with another ~/.ssh/config the same name is another host
    return f"{sockets()}/{hashlib.sha256(f'{login} {home}'.encode()).hexdigest()[:16]}"
