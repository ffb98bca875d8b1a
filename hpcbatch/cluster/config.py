"""Clusters as configured: the built-in ones, and those of hpcbatch.yaml.

    default: gpu-long
    clusters:
      gpu-long:
        scheduler: slurm
        resources: {queue: gpu, walltime: 2h, gpus: 1}
        setup: [module load python/3.11]

The first file found is read: ``$HPCBATCH_CONFIG``, ``./hpcbatch.yaml``,
``~/.config/hpcbatch/hpcbatch.yaml``, ``/etc/hpcbatch.yaml``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..words.errors import ConfigError, nearest
from ..words.resources import Resources, parse_walltime
from . import shell
from .schedulers import get_scheduler, scheduler_names

FILE_NAME = "hpcbatch.yaml"


@dataclass(frozen=True)
class ClusterConfig:
    """One named cluster. ``grace`` and ``poll_seconds`` are seconds."""

    name: str
    scheduler: str
    template: str | None = None  # path, or name on the template path; None: the scheduler's own
    resources: Mapping[str, Any] = field(default_factory=dict)  # defaults, as a user writes them
    max_walltime: int | None = None  # of one element, seconds
    setup: tuple[str, ...] = ()  # shell lines before the runner: module load, conda activate
    env: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None  # interpreter on the nodes; None: the one that submits
    array_limit: int | None = None  # elements per array; None: asked of the cluster
    elements: int = 1000  # that automatic chunks aim at, at most
    grace: float | None = None
    poll_seconds: tuple[float, float] | None = None


def load_clusters(path: str | None = None) -> tuple[dict[str, ClusterConfig], str | None]:
    """All clusters by name, and the default's name where one is set. Raises ConfigError."""
    clusters = {name: ClusterConfig(name, name) for name in scheduler_names()}
    found = path or _find()
    if found is None:
        return clusters, None
    content = _read(found)
    _check(content, {"default", "clusters"}, found)
    if not isinstance(content.get("clusters") or {}, dict):
        raise ConfigError(f"{found}: 'clusters' is no table of clusters by name")
    for name, entry in (content.get("clusters") or {}).items():
        clusters[str(name)] = _cluster(str(name), entry, found, clusters.get(str(name)))
    default = content.get("default")
    if default is not None and str(default) not in clusters:
        raise ConfigError(
            f"{found}: unknown default cluster {default!r}{nearest(str(default), clusters)}"
        )
    return clusters, None if default is None else str(default)


def find_cluster(name: str | None = None) -> ClusterConfig:
    """The cluster of that name; without a name the default, or the one scheduler of this host.

    Raises ConfigError, which shows the nearest right name.
    """
    clusters, default = load_clusters()
    if name is None:
        name = default or _detect()
    if name not in clusters:
        raise ConfigError(f"unknown cluster {name!r}{nearest(name, clusters)}")
    return clusters[name]


def is_installed(config: ClusterConfig) -> bool:
    return all(map(shell.is_here, get_scheduler(config.scheduler).programs))


def _detect() -> str:
    found = [
        name
        for name in scheduler_names()
        if get_scheduler(name).programs and all(map(shell.is_here, get_scheduler(name).programs))
    ]
    if len(found) > 1:
        raise ConfigError(
            f"this host has several schedulers ({', '.join(found)}): name one as cluster, or set "
            f"'default' in {FILE_NAME}"
        )
    return found[0] if found else "local"


def _find() -> str | None:
    chosen = os.environ.get("HPCBATCH_CONFIG")
    if chosen:
        if not os.path.exists(chosen):
            raise ConfigError(f"there is no file {chosen} (named by HPCBATCH_CONFIG)")
        return chosen
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    for path in (FILE_NAME, f"{home}/hpcbatch/{FILE_NAME}", f"/etc/{FILE_NAME}"):
        if os.path.exists(path):
            return path
    return None


def _read(path: str) -> dict[str, Any]:
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            content = yaml.safe_load(file)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(content or {}, dict):
        raise ConfigError(f"{path} is no table of 'default' and 'clusters'")
    return content or {}


def _cluster(name: str, entry: Any, path: str, base: ClusterConfig | None) -> ClusterConfig:
    where = f"{path}: cluster {name}"
    if not isinstance(entry, dict):
        raise ConfigError(f"{where} is no table of settings")
    _check(entry, {f.name for f in fields(ClusterConfig)} - {"name"}, where)
    values = dict(entry)
    if base is None and values.get("scheduler") is None:
        raise ConfigError(f"{where} names no scheduler (known: {', '.join(scheduler_names())})")
    for key, read in _READERS.items():
        if values.get(key) is not None:
            try:
                values[key] = read(values[key])
            except (ValueError, TypeError) as error:
                raise ConfigError(f"{where}: {key}: {error}") from error
        elif key in values:
            del values[key]  # an empty entry: as if it were not there
    return replace(base or ClusterConfig(name, values["scheduler"]), **values)


def _scheduler(value: Any) -> str:
    get_scheduler(_text(value))
    return _text(value)


def _text(value: Any) -> str:
    """YAML reads ``on`` as true, ``3.10`` as 3.1, and ``echo a: b`` as a table."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text: put it in quotes")
    return value


def _lines(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return ("\n".join(value.splitlines()),) if value.strip() else ()
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is no list of shell lines")
    return tuple(map(_text, value))


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no table of names and values")
    return {str(key): entry for key, entry in value.items()}


def _resources(value: Any) -> dict[str, Any]:
    Resources.parse(_table(value))
    return _table(value)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{value!r} is no whole number from 1 up")
    return value


def _seconds(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not value >= 0:
        raise ValueError(f"{value!r} is no number of seconds")
    return float(value)


def _shortest_longest(value: Any) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"{value!r} is not two numbers: the shortest and the longest interval")
    shortest, longest = map(_seconds, value)
    return shortest, longest


_READERS: dict[str, Callable[[Any], Any]] = {
    "scheduler": _scheduler,
    "template": _text,
    "resources": _resources,
    "max_walltime": parse_walltime,
    "setup": _lines,
    "env": lambda value: {key: _text(entry) for key, entry in _table(value).items()},
    "python": _text,
    "array_limit": _count,
    "elements": _count,
    "grace": _seconds,
    "poll_seconds": _shortest_longest,
}


def _check(entry: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in entry:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}{nearest(str(key), known)}")
