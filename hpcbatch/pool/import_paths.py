"""Where this process imports from what is not installed, so that workers can do so as well."""

from __future__ import annotations

import os
import sys

from ..use.own_modules import is_installed


def own_import_paths() -> list[str]:
    folders = dict.fromkeys(os.path.abspath(folder) for folder in sys.path)
    return [
        folder for folder in folders if os.path.isdir(folder) and not is_installed(f"{folder}/")
    ]
