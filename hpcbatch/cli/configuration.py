"""config show: what is set for each cluster, and where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import click

from ..cluster.config import default_cluster, find_cluster, load_clusters
from ..cluster.config_file import find_file
from ..cluster.profile import TABLES, ClusterConfig
from .common import Invocation, common_here, completed, here_options, print_json, say
from .tables import print_table

HEADINGS = ("cluster", "setting", "value", "from")
BUILT_IN = "built in"


@dataclass(frozen=True)
class ConfigRow:
    """One setting as it holds. ``origin`` is a file and its line, or ``built in``."""

    cluster: str
    setting: str
    value: Any
    origin: str


@click.group("config")
@here_options
def config() -> None:
    """See how clusters are configured.

    \b
    Examples:
      hpcbatch config show
    """


@config.command("show")
@click.argument("cluster", required=False, shell_complete=completed("cluster_names"))
@common_here
def show(invocation: Invocation, cluster: str | None) -> None:
    """Print the settings of all clusters, or of one, and where each comes from.

    \b
    Examples:
      hpcbatch config show
      hpcbatch config show slurm --json
    """
    chosen = load_clusters().values() if cluster is None else [find_cluster(cluster)]
    rows = [row for each in chosen for row in _rows(each)]
    path, default = find_file(), default_cluster()
    if invocation.json:
        told = {"file": path, "default": default, "settings": [asdict(row) for row in rows]}
        print_json(told)
        return
    read = f"Read from {path}." if path else "There is no hpcbatch.yaml: all is built in."
    say(f"{read} The default is {default}." if default else f"{read} There is no default.")
    print_table(HEADINGS, [(r.cluster, r.setting, _shown(r.value), r.origin) for r in rows])


def _rows(config: ClusterConfig) -> Iterator[ConfigRow]:
    """All that is set; settings without a value are left to the scheduler, and left out."""
    for each in fields(config):
        value = getattr(config, each.name)
        if each.name in ("name", "origins") or value in (None, (), {}):
            continue
        if each.name in TABLES:
            for key, entry in value.items():
                name = f"{each.name}.{key}"
                yield ConfigRow(config.name, name, entry, config.origins.get(name, BUILT_IN))
        else:
            origin = config.origins.get(each.name, BUILT_IN)
            yield ConfigRow(config.name, each.name, value, origin)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
