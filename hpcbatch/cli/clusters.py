"""clusters: what is configured, and what of it is here."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import click

from ..cluster.cluster import Cluster
from ..cluster.config import find_cluster, is_installed, load_clusters
from ..cluster.profile import ClusterConfig
from ..words.errors import ConfigError, HpcbatchError
from .common import Setting, common, print_json, say
from .tables import print_table
from .waiting import Busy

HEADINGS = ("cluster", "scheduler", "here", "array limit", "default")


@dataclass(frozen=True)
class Row:
    """One cluster. ``array_limit`` is None where there is none, or nobody can tell."""

    name: str
    scheduler: str
    here: bool
    array_limit: int | None
    default: bool


@click.command("clusters")
@common
def clusters(setting: Setting) -> None:
    """List the clusters that are configured.

    Clusters are set up in hpcbatch.yaml: here, in ~/.config/hpcbatch, or in /etc. "here" tells
    whether the scheduler's programs are on this host.

    \b
    Examples:
      hpcbatch clusters
      hpcbatch clusters --json
    """
    root = setting.registry().root
    default = _default()
    with Busy("asking the schedulers"):
        rows = [_row(root, config, default) for config in load_clusters()[0].values()]
    if setting.json:
        print_json([asdict(row) for row in rows])
    else:
        print_table(HEADINGS, [_cells(row) for row in rows], right=("array limit",))


def _default() -> str | None:
    try:
        return find_cluster().name
    except ConfigError as error:
        load_clusters()  # raises where the configuration itself is wrong
        say(f"There is no default: {error}")
        return None


def _row(root: str, config: ClusterConfig, default: str | None) -> Row:
    here = is_installed(config)
    limit = _array_limit(root, config) if here else config.array_limit
    return Row(config.name, config.scheduler, here, limit, config.name == default)


def _array_limit(root: str, config: ClusterConfig) -> int | None:
    try:
        return Cluster(config).limits(root).array
    except HpcbatchError as error:
        say(f"{config.name}: {error}")
        return config.array_limit


def _cells(row: Row) -> list[str]:
    limit = "" if row.array_limit is None else str(row.array_limit)
    return [row.name, row.scheduler, _mark(row.here), limit, _mark(row.default)]


def _mark(true: bool) -> str:
    return "yes" if true else "no"
