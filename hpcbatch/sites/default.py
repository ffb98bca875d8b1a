"""The site that is meant where none is given: a name in a file beside the configuration."""

from __future__ import annotations

from ..disk.files import make_folder, publish, unlink_quietly
from ..words.layout import config_folder


def read() -> str:
    """Empty: this machine."""
    try:
        with open(_path(), encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def write(name: str) -> None:
    """Empty: this machine."""
    if not name:
        unlink_quietly(_path())
        return
    make_folder(config_folder())
    publish(_path(), f"{name}\n".encode())


def _path() -> str:
    return f"{config_folder()}/site"
