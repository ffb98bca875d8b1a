"""doctor: what is here, what is missing, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict

import click

from ..doctor.clusters import check_cluster, check_configuration, chosen_clusters
from ..doctor.registry import check_registry
from ..words.finding import WRONG, Finding
from ..words.resources import parse_walltime
from .common import Invocation, cluster_option, common_here, print_json
from .exit_status import FAILED
from .findings import show
from .stopping import interruptible
from .waiting import Busy

HERE = ""  # in the place of a cluster's name


@click.command("doctor")
@cluster_option
@click.option(
    "--wait",
    "patience",
    default="2m",
    show_default=True,
    metavar="TIME",
    help="How long an element may wait in the queue.",
)
@click.option("--no-node", is_flag=True, help="Submit nothing: look at this host alone.")
@common_here
def doctor(invocation: Invocation, cluster: str | None, patience: str, no_node: bool) -> None:
    """Check this host, the registry, and a node of each cluster.

    On each cluster one small element is submitted, which shows whether elements start, how soon
    files are seen, whether clocks agree, whether locks work, and whether workers of a pool could
    dial in here. Exit status 1: something is wrong.

    \b
    Examples:
      hpcbatch doctor
      hpcbatch doctor --cluster slurm --wait 10m
      hpcbatch doctor --no-node --json
    """
    found: list[tuple[str, Finding]] = []
    seconds = None if no_node else parse_walltime(patience, "--wait")
    with interruptible("what was submitted is canceled and removed"):
        for where, finding in _findings(invocation, cluster, seconds):
            found.append((where, finding))
            if not invocation.json:
                show(finding, where)
    if invocation.json:
        print_json([{"cluster": where or None, **asdict(each)} for where, each in found])
    if _any_wrong(each for _, each in found):
        click.get_current_context().exit(FAILED)


def _findings(
    invocation: Invocation, cluster: str | None, patience: float | None
) -> Iterator[tuple[str, Finding]]:
    here = list(check_configuration())
    names = [] if _any_wrong(here) else chosen_clusters(cluster)  # first: its name may be wrong
    here += check_registry(invocation.root)
    yield from ((HERE, each) for each in here)
    if _any_wrong(here):
        return
    root = invocation.registry().root
    for name in names:
        broken = False
        for each in check_cluster(name, root):
            broken |= each.state == WRONG
            yield name, each
        if not broken and patience is not None:
            yield from ((name, each) for each in _on_a_node(name, root, patience))


def _any_wrong(found: Iterable[Finding]) -> bool:
    return any(each.state == WRONG for each in found)


def _on_a_node(name: str, root: str, patience: float) -> Iterable[Finding]:
    from ..doctor.nodes import check_node

    with Busy(f"waiting for an element on {name}"):
        return list(check_node(name, root, patience))
