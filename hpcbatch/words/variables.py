"""Environment variables that jobs are given, as a user writes them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def read_variables(told: Any) -> dict[str, str]:
    """A table of names and values, such as ``{"OMP_NUM_THREADS": "4"}``. Raises ValueError."""
    if not isinstance(told, Mapping):
        raise ValueError(f"{told!r} is no table such as {{'OMP_NUM_THREADS': '4'}}")
    for name in told:
        if not isinstance(name, str) or not _NAME.match(name):
            raise ValueError(f"{name!r} is no name of an environment variable")
    return {name: _text(name, value) for name, value in told.items()}


def _text(name: str, value: Any) -> str:
    """YAML reads ``on`` as true, and ``3.10`` as 3.1."""
    if isinstance(value, (int, os.PathLike)) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"{name}: {value!r} is no text: put it in quotes")
    return value
