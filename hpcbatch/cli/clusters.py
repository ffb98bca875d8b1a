"""clusters: what is configured, what of it is here, and a configuration made from that."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ..sites.here import Here
from ..words.errors import ConfigError
from ..words.text import counted, size_text, walltime_text
from .common import Invocation, common_here, global_options, print_json, say
from .tables import print_table
from .waiting import Busy

if TYPE_CHECKING:
    from ..cluster.overview import ClusterInfo, Overview
    from ..cluster.proposal import FoundCluster
    from ..cluster.schedulers.answers import Queue

HEADINGS = ("cluster", "scheduler", "here", "array limit", "default")
QUEUE_HEADINGS = (
    "cluster", "queue", "default", "open", "longest", "if not asked", "memory", "cpus"
)  # fmt: skip


@click.group("clusters", invoke_without_command=True)
@global_options
@click.pass_context
def clusters(context: click.Context) -> None:
    """List the clusters, and what this host's schedulers tell.

    Clusters are set up in hpcbatch.yaml: here, in ~/.config/hpcbatch, or in /etc. "here" tells
    whether the scheduler's programs are on this host, "silent" that they are and it does not
    answer; with --site, of that login node, or of where that server runs.

    \b
    Examples:
      hpcbatch clusters
      hpcbatch clusters --json
      hpcbatch clusters --site ssh://me@login
      hpcbatch clusters init
    """
    if context.invoked_subcommand is None:
        _show(context.ensure_object(Invocation))


@clusters.command("init")
@click.option("--output", type=click.Path(dir_okay=False), help="Where to; '-' prints it.")
@click.option("--default", metavar="NAME", help="The usual cluster, where several are here.")
@common_here
def init(invocation: Invocation, output: str | None, default: str | None) -> None:
    """Write an hpcbatch.yaml for the schedulers of this host.

    It goes to ~/.config/hpcbatch/hpcbatch.yaml, and never over a file that is there.

    \b
    Examples:
      hpcbatch clusters init
      hpcbatch clusters init --output ./hpcbatch.yaml
      hpcbatch clusters init --output -
      hpcbatch clusters init --default slurm
    """
    from ..cluster.config_file import home_file
    from ..cluster.overview import built_in
    from ..cluster.proposal import proposed

    with Busy("asking the schedulers"):
        found = built_in(invocation.registry().root)
    for note in found.notes:
        say(note)
    text = proposed(_found(found), default)
    if output == "-":
        print_json({"text": text}) if invocation.json else click.echo(text, nl=False)
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
    if invocation.json:
        print_json({"file": path})
    else:
        say(f"{path} was written:\n\n{text}")


def _show(invocation: Invocation) -> None:
    site = invocation.site()
    with Busy("asking the schedulers"):
        found = site.clusters()
    for note in found.notes:
        say(note)
    if invocation.json:
        print_json([asdict(each) for each in found.clusters])
        return
    print_table(HEADINGS, [_cells(each) for each in found.clusters], right=("array limit",))
    for each in filter(lambda each: each.answers, found.surveyed):
        say(_summary(each))
    queues = [
        _queue_cells(each.name, queue)
        for each in found.surveyed
        if each.survey
        for queue in each.survey.queues
    ]
    if queues:
        click.echo()
        print_table(
            QUEUE_HEADINGS, queues, right=QUEUE_HEADINGS[4:], spare=("if not asked", "cpus")
        )
    if isinstance(site, Here):
        _propose(found)


def _propose(found: Overview) -> None:
    """What could be configured here, where nothing is."""
    from ..cluster.config_file import find_file
    from ..cluster.proposal import proposed

    if find_file() is None and (surveyed := _found(found)):
        told = proposed(surveyed)
        say(f"\nThere is no hpcbatch.yaml. 'hpcbatch clusters init' writes:\n\n{told}")


def _found(overview: Overview) -> list[FoundCluster]:
    from ..cluster.proposal import FoundCluster
    from ..cluster.schedulers.answers import Limits

    return [
        FoundCluster(
            each.scheduler,
            each.scheduler,
            Limits(each.array_limit, memory_unit=each.memory_unit),
            each.survey,
        )
        for each in overview.surveyed
        if each.survey
    ]


def _summary(info: ClusterInfo) -> str:
    """One line: version, what it allows, and whether it remembers."""
    survey = info.survey
    told = [(survey and survey.version) or "of a version that it does not tell"]
    if info.array_limit:
        told.append(f"arrays of up to {counted(info.array_limit, 'element')}")
    if survey and survey.max_queued:
        told.append(f"{counted(survey.max_queued, 'element')} of yours in the queue at most")
    if info.memory_unit:
        told.append(f"memory in {info.memory_unit}")
    if survey and survey.accounting is not None:
        told.append(f"accounting {'on' if survey.accounting else 'off'}")
    return f"{info.name} ({', '.join(info.programs)}): {', '.join(told)}"


def _cells(info: ClusterInfo) -> list[str]:
    limit = "" if info.array_limit is None else str(info.array_limit)
    here = "silent" if info.here and not info.answers else _mark(info.here)
    return [info.name, info.scheduler, here, limit, _mark(info.default)]


def _queue_cells(cluster: str, queue: Queue) -> list[str]:
    return [
        cluster,
        queue.name,
        _mark(queue.is_default),
        _mark(queue.is_open),
        walltime_text(queue.max_walltime) if queue.max_walltime else "",
        walltime_text(queue.default_walltime) if queue.default_walltime else "",
        size_text(queue.max_memory) if queue.max_memory else "",
        str(queue.max_cpus or ""),
    ]


def _mark(true: bool) -> str:
    return "yes" if true else "no"
