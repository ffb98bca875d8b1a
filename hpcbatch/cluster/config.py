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
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..words.errors import ConfigError
from ..words.messages import nearest
from .config_file import FILE_NAME, ConfigFile, find_file
from .profile import READERS, TABLES, ClusterConfig
from .schedulers import get_scheduler, is_scheduler, scheduler_names

EXTENDS = "extends"


def load_clusters() -> dict[str, ClusterConfig]:
    """All clusters by name. Raises ConfigError."""
    configured, _ = _configured()
    return {name: ClusterConfig(name, name) for name in scheduler_names()} | configured


def find_cluster(name: str | None = None) -> ClusterConfig:
    """The cluster of that name; without a name the default, or the one scheduler of this host.

    Raises ConfigError, which shows the nearest right name.
    """
    configured, default = _configured()
    if name is None:
        name = default or _detect()
    if name in configured:
        return configured[name]
    if not is_scheduler(name):
        known = {*configured, *scheduler_names()}
        raise ConfigError(f"unknown cluster {name!r}{nearest(name, known)}")
    return ClusterConfig(name, name)


def default_cluster() -> str | None:
    """The name of the cluster that is taken where none is named, if there is one."""
    try:
        return find_cluster().name
    except ConfigError:
        return None


def is_here(config: ClusterConfig) -> bool:
    return get_scheduler(config.scheduler).is_here()


def _detect() -> str:
    known = {name: get_scheduler(name) for name in scheduler_names()}
    found = [name for name, one in known.items() if one.programs and one.is_here()]
    if len(found) > 1:
        raise ConfigError(
            f"{os.uname().nodename} has several schedulers ({', '.join(found)}): name one of them, "
            f"or local, as the cluster, or set 'default' in {FILE_NAME}"
        )
    return found[0] if found else "local"


def _configured() -> tuple[dict[str, ClusterConfig], str | None]:
    """The clusters of the configuration file, and its default. Raises ConfigError."""
    path = find_file()
    if path is None:
        return {}, None
    file = ConfigFile.read(path)
    file.check_keys({"default", "clusters"})
    entries = file.content.get("clusters") or {}
    if not isinstance(entries, dict):
        raise ConfigError(f"{file.where('clusters')}: 'clusters' is no table of clusters by name")
    clusters = {str(name): _Reader(file, entries).read(name) for name in entries}
    default = file.content.get("default")
    if default is None:
        return clusters, None
    if str(default) not in clusters and not is_scheduler(str(default)):
        raise ConfigError(
            f"{file.where('default')}: unknown default cluster {default!r}"
            f"{nearest(str(default), {*clusters, *scheduler_names()})}"
        )
    return clusters, str(default)


class _Reader:
    """Reads one cluster's entry, and those that it extends."""

    def __init__(self, file: ConfigFile, entries: Mapping[str, Any]):
        self._file, self._entries = file, entries
        self._reading: list[str] = []

    def read(self, name: Any) -> ClusterConfig:
        entry, keys = self._entries[name], ("clusters", str(name))
        where = f"{self._file.where(*keys)}: cluster {name}"
        if not isinstance(entry, dict):
            raise ConfigError(f"{where} is no table of settings")
        self._file.check_keys({*READERS, EXTENDS}, *keys)
        self._reading.append(str(name))
        base = self._base(str(name), entry.get(EXTENDS))
        if base is None and entry.get("scheduler") is None:
            if not is_scheduler(str(name)):
                known = ", ".join(scheduler_names())
                raise ConfigError(f"{where} names no scheduler (known: {known})")
            base = ClusterConfig(str(name), str(name))
        values = {
            key: self._value(key, entry[key], *keys)
            for key in READERS
            if entry.get(key) is not None
        }
        base = base or ClusterConfig(str(name), values["scheduler"])
        unset = ClusterConfig(str(name), base.scheduler)
        for key in entry.keys() & READERS.keys() - values.keys() - {"scheduler"}:
            values[key] = getattr(unset, key)  # an empty entry: as if nobody had set it
        origins = dict(base.origins)
        for key in values:
            if key in TABLES and entry[key] is not None:
                origins |= {f"{key}.{k}": self._file.where(*keys, key, k) for k in values[key]}
                values[key] = {**getattr(base, key), **values[key]}
            else:
                origins[key] = self._file.where(*keys, key)
        if str(values.get("template")).startswith(("./", "../")):
            folder = os.path.dirname(os.path.abspath(self._file.path))
            values["template"] = os.path.normpath(f"{folder}/{values['template']}")
        return replace(base, **{**values, "name": str(name), "origins": origins})

    def _base(self, name: str, extended: Any) -> ClusterConfig | None:
        if extended is None:
            return None
        where = f"{self._file.where('clusters', name, EXTENDS)}: cluster {name}"
        if extended in self._reading:
            chain = " -> ".join([*self._reading, str(extended)])
            raise ConfigError(f"{where} extends itself: {chain}")
        if isinstance(extended, str) and extended in self._entries:
            return self.read(extended)
        if isinstance(extended, str) and is_scheduler(extended):
            return ClusterConfig(extended, extended)
        known = [*map(str, self._entries), *scheduler_names()]
        raise ConfigError(f"{where} extends {extended!r}{nearest(extended, known)}")

    def _value(self, key: str, value: Any, *keys: str) -> Any:
        try:
            return READERS[key](value)
        except (ValueError, TypeError) as error:
            where = f"{self._file.where(*keys, key)}: cluster {keys[-1]}"
            raise ConfigError(f"{where}: {key}: {error}") from error
