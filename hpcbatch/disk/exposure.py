"""Who else than this user can get at a file or a folder. Each caller says what is too much."""

from __future__ import annotations

import os
import stat

from ..words.errors import ConfigError, RegistryUnsafe
from .files import unwritable

READS = 0o077  # others who may so much as look
WRITES = 0o022  # others who may write
ALL_WRITE = 0o002  # everybody may write: whether a group may is for the owner to say
ROOT = 0


def exposure(found: os.stat_result, too_open: int, owners: tuple[int, ...] = ()) -> str:
    """How others can get at what was ``found``: "it belongs to user 12", "mode 0777"; empty where
    they cannot. Besides this user, ``owners`` may have it, and no bit of ``too_open`` be set."""
    if found.st_uid not in (os.geteuid(), *owners):
        return f"it belongs to user {found.st_uid}"
    if found.st_mode & too_open:
        return f"mode {stat.S_IMODE(found.st_mode):04o}"
    return ""


def make_private(path: str, elsewhere: str) -> None:
    """Make the folder ``path``, for this user alone, where it is missing. Raises RegistryUnsafe as
    ``check_private``, RegistryUnwritable."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass  # whose it is has to be seen
    except OSError as error:
        raise unwritable(path, error) from error
    check_private(path, elsewhere)


def check_private(path: str, elsewhere: str) -> None:
    """Raises RegistryUnsafe where ``path`` is not a folder that this user alone can look into, and
    OSError where it is not there. ``elsewhere`` is what to do to have another one."""
    info = os.lstat(path)
    if not stat.S_ISDIR(info.st_mode):
        raise RegistryUnsafe(f"{path} is not a folder (a symbolic link is refused): remove it")
    if how := exposure(info, READS):
        raise RegistryUnsafe(
            f"others can get at {path} ({how}): {elsewhere}; or chmod 700 it, if it is yours and "
            "nobody else wrote there"
        )


def check_trusted(path: str, found: os.stat_result, way_out: str) -> None:
    """Raises ConfigError where somebody else than this user and root could have written the file
    ``path``, which names what runs."""
    if how := exposure(found, ALL_WRITE, owners=(ROOT,)):
        raise ConfigError(
            f"others can write to {path} ({how}), and what it says runs as you: {way_out}"
        )
