"""Text becomes values: what was written on a command line or in a CSV file."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn

Reader = Callable[[str], Any]


def typed(text: str) -> Any:
    """What JSON makes of ``text`` (a number, true, false, null, "…", […]); else the text."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def as_written(text: str) -> Any:
    """A number where it prints as it was written; else the text. For command lines: there 0.10,
    1e5 and true must arrive as they are."""
    value = typed(text)
    return value if type(value) in (int, float) and str(value) == text else text


def as_text(value: Any) -> Any:
    """A value of a JSON file for a command line: true and null as JSON writes them."""
    if isinstance(value, str) or type(value) in (int, float):
        return value
    return json.dumps(value)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
