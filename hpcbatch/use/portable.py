"""Which files can travel with a task."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Mapping

from ..words.errors import CodeWarning
from ..words.text import plain

SKIPPED = {"__pycache__", "node_modules", "site-packages"}  # folders
SHOWN = 8  # files that a warning names


def objection(name: str, path: str) -> str:
    """Why a file cannot travel; empty where it can, or is gone."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is no UTF-8"
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return "its name is no UTF-8" if "\ufffd" in name else ""
    if stat.S_ISLNK(mode):
        return ""
    if not stat.S_ISREG(mode):
        return "no ordinary file"
    return "" if os.access(path, os.R_OK) else "it cannot be read"


def warn_of_skipped(of: str, skipped: Mapping[str, str], stacklevel: int) -> None:
    """``skipped``: names of files, and why they do not travel with the rest ``of`` it."""
    if skipped:
        shown = [f"{plain(name)} ({why})" for name, why in sorted(skipped.items())]
        more = f", … and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
        told = f"not all of {of} travels: {', '.join(shown[:SHOWN])}{more}"
        warnings.warn(told, CodeWarning, stacklevel=stacklevel + 1)
