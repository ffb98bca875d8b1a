"""The installed packages that a task imports, compared with those of another environment."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

from ..words.errors import CodeWarning
from ..words.text import plain

# name that is imported -> distribution that has it -> its version
Requirements = Mapping[str, Mapping[str, str]]
_RELEASE = re.compile(r"(?:\d+!)?(\d+)(?:\.(\d+))?")


def requirements(imports: Iterable[str]) -> dict[str, dict[str, str]]:
    """What is installed here of the packages ``imports``."""
    found: dict[str, dict[str, str]] = {}
    for name in sorted(imports):
        if version := _version(name):  # most are called as they are imported
            found[name] = {name: version}
        elif _is_found(name) and (known := _distributions().get(name)):
            found[name] = {
                distribution: _version(distribution) for distribution in sorted({*known})
            }
    return found


def compared(asked: Requirements) -> dict[str, Any]:
    """What this environment has otherwise: its Python, and (distribution, version asked for,
    version here) of those that are absent, or of another major or minor version."""
    found: list[tuple[str, str, str]] = []
    for name, distributions in asked.items():
        here = {one: version for one in distributions if (version := _version(one))}
        if not here:
            if name.isidentifier() and not _is_found(name):  # else another distribution has it
                found += [(one, version, "") for one, version in distributions.items()]
        elif len(distributions) == 1:  # several share a name: who knows which is meant
            ((one, version),) = distributions.items()
            if _release(version) != _release(here[one]):
                found.append((one, version, here[one]))
    return {"python": sys.executable, "differences": sorted(set(found))}


def tell_differences(place: str, told: Mapping[str, Any], stacklevel: int = 4) -> None:
    """Warn of what ``compared`` found at ``place``, once in this process."""
    fresh: list[Sequence[str]] = []
    for each in told["differences"]:
        if tuple(each) not in _already_told(place):
            _already_told(place).add(tuple(each))
            fresh.append(each)
    if not fresh:
        return
    words = [f"{name} {here} is {there or 'absent'} there" for name, here, there in fresh]
    wanted = " ".join(f"{name}=={here}" for name, here, _ in fresh)
    warnings.warn(
        plain(
            f"the task imports packages that {place} has otherwise: {', '.join(words)}. Jobs may "
            f"fail, or give other results. To install them there: {told['python']} -m pip install "
            f"{wanted} (a cluster's profile may name another python)"
        ),
        CodeWarning,
        stacklevel=stacklevel,
    )


@cache
def _already_told(place: str) -> set[tuple[str, ...]]:
    return set()


@cache
def _distributions() -> Mapping[str, Sequence[str]]:
    """By the names that are imported. They are all looked at, which takes long."""
    from importlib.metadata import packages_distributions

    return packages_distributions()


def _is_found(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:
        return False  # a module that was made in memory


def _version(distribution: str) -> str:
    """Empty where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution) or ""
    except (PackageNotFoundError, ValueError):
        return ""


def _release(version: str) -> tuple[int, int]:
    found = _RELEASE.match(version)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)
