"""clusters: what is configured, what of it is here, and a configuration made from that."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import click

from ..cluster.cluster import Cluster
from ..cluster.config import find_cluster, is_installed, load_clusters
from ..cluster.config_file import find_file, home_file
from ..cluster.profile import ClusterConfig
from ..cluster.proposal import Found, proposed
from ..cluster.schedulers.answers import Limits, Queue, Survey
from ..words.errors import ConfigError, HpcbatchError
from ..words.text import clock, counted, size
from .common import Setting, common, global_options, print_json, say
from .tables import print_table
from .waiting import Busy

HEADINGS = ("cluster", "scheduler", "here", "array limit", "default")
QUEUE_HEADINGS = (
    "cluster", "queue", "default", "open", "longest", "if not asked", "memory", "cpus"
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One cluster. ``array_limit`` and ``memory_unit`` are None where there is none, or nobody can
    tell; ``survey`` of one that is not here."""

    name: str
    scheduler: str
    here: bool
    array_limit: int | None
    default: bool
    programs: tuple[str, ...]
    memory_unit: str | None
    survey: Survey | None


@click.group("clusters", invoke_without_command=True)
@global_options
@click.pass_context
def clusters(context: click.Context) -> None:
    """List the clusters, and what this host's schedulers tell.

    Clusters are set up in hpcbatch.yaml: here, in ~/.config/hpcbatch, or in /etc. "here" tells
    whether the scheduler's programs are on this host.

    \b
    Examples:
      hpcbatch clusters
      hpcbatch clusters --json
      hpcbatch clusters init
    """
    if context.invoked_subcommand is None:
        _show(context.ensure_object(Setting))


@clusters.command("init")
@click.option("--output", type=click.Path(dir_okay=False), help="Where to; '-' prints it.")
@common
def init(setting: Setting, output: str | None) -> None:
    """Write an hpcbatch.yaml for the schedulers of this host.

    It goes to ~/.config/hpcbatch/hpcbatch.yaml, and never over a file that is there.

    \b
    Examples:
      hpcbatch clusters init
      hpcbatch clusters init --output ./hpcbatch.yaml
      hpcbatch clusters init --output -
    """
    with Busy("asking the schedulers"):
        root = setting.registry().root
        rows = [_row(root, config, None, {}) for config in _built_in().values()]
    text = proposed(_found(rows))
    if output == "-":
        click.echo(text, nl=False)
        return
    path = os.path.abspath(output or home_file())
    if os.path.exists(path):
        raise ConfigError(
            f"{path} is there already, and stays as it is: remove it first, or see what would be "
            "written with --output -"
        )
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
    if setting.json:
        print_json({"file": path})
    else:
        say(f"{path} was written:\n\n{text}")


def _show(setting: Setting) -> None:
    root = setting.registry().root
    default = _default()
    with Busy("asking the schedulers"):
        surveys: dict[str, Survey] = {}
        rows = [_row(root, config, default, surveys) for config in load_clusters()[0].values()]
    if setting.json:
        print_json([asdict(row) for row in rows])
        return
    print_table(HEADINGS, [_cells(row) for row in rows], right=("array limit",))
    for row in _here(rows):
        say(_summary(row))
    queues = [_queue_cells(row.name, each) for row in _here(rows) for each in _queues(row)]
    if queues:
        click.echo()
        print_table(QUEUE_HEADINGS, queues, right=QUEUE_HEADINGS[4:])
    if find_file() is None and (found := _found(rows)):
        say(f"\nThere is no hpcbatch.yaml. 'hpcbatch clusters init' writes:\n\n{proposed(found)}")


def _default() -> str | None:
    try:
        return find_cluster().name
    except ConfigError as error:
        load_clusters()  # raises where the configuration itself is wrong
        say(f"There is no default: {error}")
        return None


def _built_in() -> Mapping[str, ClusterConfig]:
    from ..cluster.schedulers import scheduler_names

    return {name: ClusterConfig(name, name) for name in scheduler_names()}


def _row(root: str, config: ClusterConfig, default: str | None, surveys: dict[str, Survey]) -> Row:
    """``surveys`` of the schedulers that were asked already: they may take long to answer."""
    here, cluster = is_installed(config), Cluster(config)
    limits = _limits(root, cluster) if here else None
    if here and cluster.scheduler.programs and config.scheduler not in surveys:
        surveys[config.scheduler] = cluster.survey()
    return Row(
        config.name,
        config.scheduler,
        here,
        limits.array if limits else config.array_limit,
        config.name == default,
        cluster.scheduler.programs,
        limits.memory_unit if limits else config.memory_unit,
        surveys.get(config.scheduler),
    )


def _limits(root: str, cluster: Cluster) -> Limits | None:
    try:
        return cluster.limits(root)
    except HpcbatchError as error:
        say(f"{cluster.name}: {error}")
        return None


def _here(rows: Iterable[Row]) -> list[Row]:
    """One for each scheduler that can be asked on this host."""
    return list({row.scheduler: row for row in reversed(list(rows)) if row.survey}.values())[::-1]


def _queues(row: Row) -> tuple[Queue, ...]:
    return row.survey.queues if row.survey else ()


def _found(rows: Iterable[Row]) -> list[Found]:
    return [
        Found(
            row.scheduler,
            row.scheduler,
            Limits(row.array_limit, memory_unit=row.memory_unit),
            row.survey,
        )
        for row in _here(rows)
        if row.survey
    ]


def _summary(row: Row) -> str:
    """One line: version, what it allows, and whether it remembers."""
    survey = row.survey or Survey()
    told = [survey.version or "of a version that it does not tell"]
    if row.array_limit:
        told.append(f"arrays of up to {counted(row.array_limit, 'element')}")
    if survey.max_queued:
        told.append(f"{counted(survey.max_queued, 'element')} of yours in the queue at most")
    if row.memory_unit:
        told.append(f"memory in {row.memory_unit}")
    if survey.accounting is not None:
        told.append(f"accounting {'on' if survey.accounting else 'off'}")
    return f"{row.name} ({', '.join(row.programs)}): {', '.join(told)}"


def _cells(row: Row) -> list[str]:
    limit = "" if row.array_limit is None else str(row.array_limit)
    return [row.name, row.scheduler, _mark(row.here), limit, _mark(row.default)]


def _queue_cells(cluster: str, queue: Queue) -> list[str]:
    return [
        cluster,
        queue.name,
        _mark(queue.is_default),
        _mark(queue.is_open),
        clock(queue.max_walltime) if queue.max_walltime else "",
        clock(queue.default_walltime) if queue.default_walltime else "",
        size(queue.max_memory) if queue.max_memory else "",
        str(queue.max_cpus or ""),
    ]


def _mark(true: bool) -> str:
    return "yes" if true else "no"
