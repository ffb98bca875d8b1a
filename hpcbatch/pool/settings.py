"""What a pool was asked to be, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from operator import index
from typing import Any

from ..words.errors import UsageError
from ..words.messages import nearest
from ..words.resources import check_no_resource, parse_walltime

LARGEST_PORT = 65535
SLOW_HEARTBEAT = 10.0  # seconds: behind a connection that others' words may fill


@dataclass(frozen=True)
class PoolSettings:
    """Times are seconds; None means no limit.

    ``idle`` is how long a worker waits for a task, ``walltime`` how long it lives, ``max_tasks``
    how many it runs. ``host``, ``interface`` and ``port`` are where workers dial in.
    ``site`` is a login node that they are launched from, and dial in at; when it is not heard of
    from here for ``away``, they end.
    """

    cluster: str
    workers: int
    idle: float | None = None
    walltime: float | None = None
    max_tasks: int | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    heartbeat: float = 2.0
    seconds_launch: float = 60.0
    reset_globals: bool = True
    reset_packages: bool = False
    garbage_collection: bool = False
    options_metrics: Mapping[str, Any] | None = None
    host: str | None = None
    interface: str | None = None
    port: int = 0
    launcher: Any = None
    site: Any = None
    away: float = 120.0

    @classmethod
    def of(cls, cluster: str, workers: int, given: Mapping[str, Any]) -> PoolSettings:
        """Raises UsageError."""
        known = {each.name for each in fields(cls)}
        check_no_resource({name: given[name] for name in given if name not in known})
        for name in given:
            if name not in known:
                raise UsageError(f"a Controller has no setting {name!r}{nearest(name, known)}")
        if _whole(workers, "workers") < 1:
            raise UsageError(f"workers={workers!r}: a pool has at least one")
        told = {
            name: _READERS[name](value, name) for name, value in given.items() if value is not None
        }
        if "seed" not in told:
            told["seed"] = int.from_bytes(os.urandom(6), "little")
        if "site" in told:
            told.setdefault("heartbeat", SLOW_HEARTBEAT)
        elif "away" in told:
            raise UsageError("away is about a controller that is elsewhere: it goes with site")
        return cls(cluster, index(workers), **told)


def _anything(value: Any, name: str) -> Any:
    return value


def _seconds(value: Any, name: str) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and value > 0 else float(parse_walltime(value, name))


def _whole(value: Any, name: str) -> int:
    """NumPy's as well."""
    if not hasattr(value, "__index__") or isinstance(value, bool):
        raise UsageError(f"{name}={value!r} is no whole number")
    return index(value)


def _count(value: Any, name: str) -> int:
    if (count := _whole(value, name)) < 1:
        raise UsageError(f"{name}={value!r} is no whole number from 1 up")
    return count


def _port(value: Any, name: str) -> int:
    if not 0 <= (port := _whole(value, name)) <= LARGEST_PORT:
        raise UsageError(f"{name}={value!r} is no port: 0, which is any, to {LARGEST_PORT}")
    return port


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{name}={value!r} is neither True nor False")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{name}={value!r} is no text")
    return value


def _table(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{name}={value!r} is no table such as {{'memory': '4GB'}}")
    return value


def _metrics(value: Any, name: str) -> dict[str, Any]:
    """What workers log of themselves: ``form``, csv or prometheus; ``seconds`` between two samples;
    ``folder``, by default the pool's own. Raises UsageError."""
    given = _table(value, name)
    told = {"form": "csv", "seconds": 5.0, "folder": None, **given}
    for name in given:
        if name not in ("form", "seconds", "folder"):
            hint = nearest(name, ("form", "seconds", "folder"))
            raise UsageError(f"options_metrics have no {name!r}{hint}")
    if told["form"] not in ("csv", "prometheus"):
        raise UsageError(f"metrics of the form {told['form']!r}: it is one of csv, prometheus")
    told["seconds"] = _seconds(told["seconds"], "seconds")
    if told["folder"] is not None:
        told["folder"] = os.path.abspath(os.path.expanduser(told["folder"]))
    return told


_READERS: dict[str, Any] = {
    "idle": _seconds,
    "walltime": _seconds,
    "away": _seconds,
    "heartbeat": _seconds,
    "seconds_launch": _seconds,
    "max_tasks": _count,
    "seed": _whole,
    "port": _port,
    "reset_globals": _flag,
    "reset_packages": _flag,
    "garbage_collection": _flag,
    "host": _text,
    "interface": _text,
    "resources": _table,
    "options_metrics": _metrics,
    "launcher": _anything,
    "site": _anything,
}
