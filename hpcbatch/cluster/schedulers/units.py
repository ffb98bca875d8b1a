"""Sizes and times as schedulers print them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kKmMgGtT]?)B?")
_TIME = re.compile(r"(?:(\d+)-)?(\d*(?::\d*){0,2})")


def bytes_of(text: str) -> int | None:
    """``308.2MB``, ``5520K``, ``4096``; None for anything else. ``k`` is 1000, ``K`` is 1024."""
    found = _SIZE.fullmatch(text)
    if found is None:
        return None
    number, unit = found.groups()
    each = 1000 if unit.islower() else 1024
    return int(float(number) * each ** " KMGT".index(unit.upper() or " "))


def seconds_of(text: str) -> float | None:
    """``90``, ``1:30:00``, ``2-01:30:00`` (days first), ``:30:`` (no hours); None for others."""
    found = _TIME.fullmatch(text)
    if found is None or not any(map(str.isdigit, text)):
        return None
    seconds = 0
    for part in found[2].split(":"):
        seconds = seconds * 60 + int(part or 0)
    return float(seconds + int(found[1] or 0) * 86400)


def whole_seconds(text: str) -> int | None:
    """As ``seconds_of``; None also for no time at all, which means no limit."""
    return int(seconds_of(text) or 0) or None
