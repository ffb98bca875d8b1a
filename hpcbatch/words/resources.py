"""Resources of jobs and elements, parsed once into seconds and bytes.

Memory units are powers of 1024, in capitals or not: 4GB and 4gb are 4 * 2**30 bytes. Schedulers
print sizes of their own kind, which are not read here: to Grid Engine a small k is 1000.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from .errors import ResourceError, UsageError
from .messages import nearest, ours
from .text import counted

WALLTIME_FORMS = "90s, 10m, 2h, 1d12h, 01:30:00 or 1-12:00:00"
MEMORY_FORMS = "500MB, 4GB, 1.5G, 2TB, or bytes as a whole number"

LEAST_MEMORY = 2**20  # bytes: a number of gigabytes is far below
LARGEST = 2**63  # bytes, or seconds: no scheduler counts further

MEMORY_UNITS = {f"{prefix}B": 1024**power for power, prefix in enumerate("KMGTP", 1)}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PARTS = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+\Z")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_CLOCK = re.compile(r"(?:(\d{1,9})-)?(\d{1,9}):([0-5]?\d):([0-5]?\d)\Z")
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGTP]?)(?:I?B)?\Z", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9._,:/@+=&|!*()\[\]<>%#-]+\Z")


def check_no_resource(arguments: Mapping[str, Any]) -> None:
    """Raises UsageError where a resource is given as an argument of its own."""
    for name, value in arguments.items():
        meant = name if name in _PARSERS else ours(name)
        if meant in _PARSERS:
            raise UsageError(f"{name} is a resource: write resources={{{meant!r}: {value!r}}}")


def parse_walltime(value: Any, name: str = "walltime") -> int:
    """Whole seconds, rounded up. Raises ResourceError, which shows the accepted forms."""
    try:
        seconds = _seconds(value)
    except OverflowError:
        seconds = None
    if seconds is None or not seconds < LARGEST:
        is_bare = isinstance(value, str) and value.strip().isdecimal()
        what = "has no unit" if is_bare else "is not understood"
        more = "" if isinstance(value, str) else ", a timedelta, or seconds as a number"
        raise ResourceError(f"{name} {value!r} {what}; write {WALLTIME_FORMS}{more}")
    if seconds <= 0:
        raise ResourceError(f"{name} {value!r} is not longer than nothing")
    return math.ceil(seconds)


def _seconds(value: Any) -> float | None:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return None
    text = value.strip().lower().replace(" ", "")
    if _PARTS.match(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    clock = _CLOCK.match(text)
    if clock:
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return float(days * 86400 + hours * 3600 + minutes * 60 + seconds)
    return None


def parse_memory(value: Any) -> int:
    """Bytes, rounded up. Raises ResourceError, which shows the accepted forms."""
    size: float | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str):
        found = _MEMORY.match(value.strip())
        if found and (found[2] or "." not in found[1]):
            size = float(found[1]) * 1024.0 ** " KMGTP".index(found[2].upper() or " ")
    if size is None or size > LARGEST:
        raise ResourceError(f"memory {value!r} is not understood; write {MEMORY_FORMS}")
    if size <= 0:
        raise ResourceError(f"memory {value!r} is not more than nothing")
    return math.ceil(size)


def _parse_element_memory(value: Any) -> int:
    size = parse_memory(value)
    if size < LEAST_MEMORY:
        raise ResourceError(
            f"memory {value!r} is {counted(size, 'byte')}, and nothing runs in less than 1MB; "
            f"write {MEMORY_FORMS}"
        )
    return size


def _parse_count(name: str, value: Any, least: int = 1) -> int:
    try:
        count = int(value) if not isinstance(value, (bool, float)) else None
    except (TypeError, ValueError):
        count = None
    if count is None or count < least:
        raise ResourceError(f"{name} {value!r} is not a whole number from {least} up")
    return count


def _parse_word(name: str, value: Any) -> str:
    if not isinstance(value, str) or not _WORD.match(value):
        raise ResourceError(f"{name} {value!r} has characters that no {name} has")
    return value


def _parse_extra(value: Any) -> tuple[str, ...]:
    """Raw directives, one a line, without the scheduler's prefix."""
    if not isinstance(value, (str, list, tuple)):
        raise ResourceError(f"extra {value!r} is neither a line of text nor a list of them")
    lines = (value,) if isinstance(value, str) else tuple(value)
    for line in lines:
        if not isinstance(line, str) or not line.isprintable():
            raise ResourceError(f"extra directive {line!r} is not one line of text")
    return lines


@dataclass(frozen=True)
class Resources:
    """What a task asks for. ``walltime`` is one job's need in seconds; ``element_walltime`` sets
    an element's directly; ``memory`` (bytes), ``cpus``, ``gpus``, ``nodes`` are an element's."""

    walltime: int | None = None
    element_walltime: int | None = None
    memory: int | None = None
    cpus: int = 1
    gpus: int = 0
    nodes: int | None = None
    queue: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    extra: tuple[str, ...] = ()

    @classmethod
    def parse(cls, *layers: Mapping[str, Any] | None) -> Resources:
        """From mappings as a user writes them; a later layer overrules. Raises ResourceError."""
        merged: dict[str, Any] = {}
        for layer in layers:
            merged.update(layer or {})
        for name in merged:
            if name not in _PARSERS:
                raise ResourceError(f"unknown resource {name!r}{nearest(name, _PARSERS)}")
        given = {name: value for name, value in merged.items() if value is not None}
        return cls(**{name: _PARSERS[name](value) for name, value in given.items()})

    def for_element(self, jobs: int) -> int | None:
        """Seconds that an element of ``jobs`` jobs asks for."""
        if self.element_walltime is not None:
            return self.element_walltime
        return None if self.walltime is None else self.walltime * jobs

    def to_json(self) -> dict[str, Any]:
        """All that is set; read back by ``parse``, it overrules any defaults."""
        return {name: value for name, value in asdict(self).items() if value is not None}


_PARSERS: dict[str, Any] = {
    "walltime": parse_walltime,
    "element_walltime": parse_walltime,
    "memory": _parse_element_memory,
    "cpus": lambda value: _parse_count("cpus", value),
    "gpus": lambda value: _parse_count("gpus", value, 0),
    "nodes": lambda value: _parse_count("nodes", value),
    "queue": lambda value: _parse_word("queue", value),
    "account": lambda value: _parse_word("account", value),
    "qos": lambda value: _parse_word("qos", value),
    "constraint": lambda value: _parse_word("constraint", value),
    "extra": _parse_extra,
}
