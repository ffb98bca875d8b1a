"""Launchers by name. One of another package: the entry point ``hpcbatch.launchers``."""

from __future__ import annotations

from typing import Any

from ...words.errors import ConfigError, LaunchError
from ...words.messages import nearest
from .base import Call, Foreign, Launcher, Standing

__all__ = ["Call", "Launcher", "Standing", "find_launcher", "launcher_names"]


def find_launcher(given: Any) -> Launcher:
    """A launcher, its class, something that has its methods, or its name. Raises ConfigError for
    an unknown name, LaunchError for what is none."""
    if isinstance(given, str):
        given = _load(given)
    if isinstance(given, type):
        given = given()
    return given if isinstance(given, Launcher) else Foreign(given)


def launcher_names() -> list[str]:
    return sorted(_entry_points())


def _load(name: str) -> Any:
    point = _entry_points().get(name)
    if point is None:
        raise ConfigError(f"unknown launcher {name!r}{nearest(name, launcher_names())}")
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise LaunchError(f"launcher {name!r} cannot be loaded: {error}") from error


def _entry_points() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group="hpcbatch.launchers")}
