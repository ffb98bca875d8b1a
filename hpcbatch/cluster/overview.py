"""The clusters of a site, with what its host's schedulers tell of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..words.errors import ConfigError, HpcbatchError
from .cluster import Cluster
from .config import find_cluster, is_here, load_clusters
from .profile import ClusterConfig
from .schedulers import scheduler_names
from .schedulers.answers import Limits, Survey


@dataclass(frozen=True)
class ClusterInfo:
    """One cluster. ``here``: its programs are on that host; ``answers``: its scheduler does, None
    of one that is not here. ``array_limit`` and ``memory_unit`` are None where there is none, or
    nobody can tell; ``survey`` of one that is not here."""

    name: str
    scheduler: str
    here: bool
    answers: bool | None
    array_limit: int | None
    default: bool
    programs: tuple[str, ...]
    memory_unit: str | None
    survey: Survey | None


class Overview(NamedTuple):
    """The clusters in their order, and notes for a person: what could not be found out."""

    clusters: tuple[ClusterInfo, ...]
    notes: tuple[str, ...]

    @property
    def surveyed(self) -> list[ClusterInfo]:
        """One for each scheduler that can be asked on that host."""
        backwards = reversed(self.clusters)
        return list({each.scheduler: each for each in backwards if each.survey}.values())[::-1]


def overview(root: str, default: str | None = None) -> Overview:
    """Of all that are configured or built in; ``default`` is the one that is taken where none is
    named, if that is not as configured. Raises ConfigError."""
    configs, notes = load_clusters().values(), []
    try:
        default = default or find_cluster().name
    except ConfigError as error:
        notes.append(f"There is no default: {error}")
    found = _overview(root, configs, default)
    return found._replace(notes=(*notes, *found.notes))


def built_in(root: str) -> Overview:
    """Of the clusters that there are without a configuration."""
    return _overview(root, (ClusterConfig(name, name) for name in scheduler_names()), None)


def _overview(root: str, configs: Iterable[ClusterConfig], default: str | None) -> Overview:
    silent: dict[str, HpcbatchError | None] = {}  # why; schedulers may take long to answer
    surveys: dict[str, Survey] = {}
    found, notes = [], []
    for config in configs:
        cluster, here = Cluster(config), is_here(config)
        limits = Limits(config.array_limit, memory_unit=config.memory_unit)
        is_asked = here and bool(cluster.scheduler.programs)
        if is_asked and config.scheduler not in silent:
            silent[config.scheduler] = why = _silence(cluster)
            surveys[config.scheduler] = Survey() if why else cluster.survey()
            if why:
                notes.append(f"{cluster.name}: {why}")
        answers = here and silent.get(config.scheduler) is None
        if answers:
            try:
                limits = cluster.limits(root)
            except HpcbatchError as error:
                notes.append(f"{cluster.name}: {error}")
        found.append(
            ClusterInfo(
                config.name,
                config.scheduler,
                here,
                answers if here else None,
                limits.array,
                config.name == default,
                cluster.scheduler.programs,
                limits.memory_unit,
                surveys.get(config.scheduler) if is_asked else None,
            )
        )
    return Overview(tuple(found), tuple(notes))


def _silence(cluster: Cluster) -> HpcbatchError | None:
    """Why its scheduler lists nothing; None where it does."""
    try:
        cluster.check_answers()
    except HpcbatchError as error:
        return error
    return None
