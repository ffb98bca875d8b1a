"""Where this process imports from what is not installed, so that workers can do so as well."""

from __future__ import annotations

import os
import sys

from ..use.own_modules import is_installed


def own_import_paths() -> list[str]:
    places = dict.fromkeys(os.path.abspath(place) for place in sys.path)
    return [place for place in places if os.path.isdir(place) and not is_installed(f"{place}/")]
