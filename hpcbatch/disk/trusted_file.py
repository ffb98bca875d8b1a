"""Files that name what runs: whose they are, and who may write them."""

from __future__ import annotations

import os
import stat

from ..words.errors import ConfigError


def check_trusted(path: str, found: os.stat_result, way_out: str) -> None:
    """Raises ConfigError where somebody else than this user and root could have written the file
    ``path``; whether its group may is for its owner to say."""
    if found.st_uid not in (0, os.geteuid()):
        who = f"it belongs to user {found.st_uid}"
    elif found.st_mode & stat.S_IWOTH:
        who = f"everybody may write to it, mode {stat.S_IMODE(found.st_mode):04o}"
    else:
        return
    raise ConfigError(
        f"others can write to {path} ({who}), and what it says runs as you: {way_out}"
    )
