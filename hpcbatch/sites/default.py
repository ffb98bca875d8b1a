"""The site that is meant where none is given: a name in a file beside the configuration."""

from __future__ import annotations

import os

from ..cluster.config_file import home_file
from ..disk.files import publish, unlink_quietly


def folder() -> str:
    """Where a user keeps servers and keys: that of the configuration."""
    return os.path.dirname(home_file())


def read() -> str:
    """Empty: this machine."""
    try:
        with open(_path(), encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def write(name: str) -> None:
    """Empty: this machine."""
    publish(_path(), f"{name}\n".encode()) if name else unlink_quietly(_path())


def _path() -> str:
    return f"{folder()}/site"
