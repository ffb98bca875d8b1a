"""remote: a login node is set up, and looked over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ..words.errors import NotFound, UsageError
from ..words.finding import WRONG, Finding
from ..words.resources import parse_walltime
from .common import Invocation, common_here, completed, here_options, print_json, say
from .exit_status import FAILED, SITE
from .findings import show
from .stopping import interruptible

if TYPE_CHECKING:
    from ..sites.ssh.site import Ssh


@click.group("remote")
@here_options
def remote() -> None:
    """Login nodes that are reached by SSH.

    Nothing has to run there. SITE is an address such as ssh://me@login, with what ~/.ssh/config
    says of that host; or its name, once it was set up. Connections are kept for some minutes, so
    that a password or a code is asked for once.

    \b
    Examples:
      hpcbatch remote setup ssh://me@login.cluster --setup 'module load python/3.11'
      hpcbatch remote check login.cluster
      hpcbatch list --site login.cluster
    """


address_argument = click.argument("address", metavar="SITE", shell_complete=completed("site_names"))
test_cluster_option = click.option(
    "--cluster", help="For the test job [default: the usual one there]."
)
timeout_option = click.option(
    "--timeout", default="2m", show_default=True, metavar="TIME", help="For the test job."
)


@remote.command("setup", short_help="Put hpcbatch on a login node, and test it.")
@address_argument
@click.option("--python", default="", help="The interpreter there [default: one like here].")
@click.option(
    "--setup",
    "lines",
    multiple=True,
    metavar="LINE",
    help="A shell line that each command there begins with.",
)
@click.option("--name", help="A short one for --site [default: that of the host].")
@test_cluster_option
@timeout_option
@common_here
def setup(
    invocation: Invocation,
    address: str,
    python: str,
    lines: tuple[str, ...],
    name: str | None,
    cluster: str | None,
    timeout: str,
) -> None:
    """Put this version of hpcbatch on a login node, and run a test job there.

    Its wheel is sent along; what it needs comes from the package index there, or from here where
    there is none. The schedulers there are written down in a configuration, unless there is one,
    with --cluster as the usual one. Safe to repeat; what was set up before is kept.

    \b
    Examples:
      hpcbatch remote setup ssh://me@login --name login
      hpcbatch remote setup ssh://me@login --setup 'module load python/3.11' --cluster slurm
    """
    from ..sites import known_sites
    from ..sites.ssh import setup as steps
    from ..sites.ssh.address import Address
    from ..sites.ssh.check import check

    seconds = parse_walltime(timeout, "--timeout")
    with interruptible("what was set up stays; the same command goes on"):
        site = _site(address)
        found = steps.look(site.line, python, lines)
        say(f"{found.host} has Python {found.minor}: {found.python}")
        steps.install(site.line, found, say)
        told = steps.configure(site.line, cluster)
        if "file" in told:
            say(f"Its clusters are written down in {told['file']} there")
        host = Address.read(site.place).host
        name = name or host
        known_sites.add(known_sites.Card(site.place), name)
        _tell(invocation, check(site, cluster, seconds))
    say(f"{name} is {site.place}: hpcbatch list --site {name}")


@remote.command("check")
@address_argument
@test_cluster_option
@timeout_option
@common_here
def check_site(invocation: Invocation, address: str, cluster: str | None, timeout: str) -> None:
    """Tell in plain words what is wrong with a login node. Exit status 0: nothing is.

    \b
    Examples:
      hpcbatch remote check login
      hpcbatch remote check login --cluster slurm --timeout 10m
    """
    from ..sites.ssh.check import check

    seconds = parse_walltime(timeout, "--timeout")
    _tell(invocation, check(_site(address), cluster, seconds))


@remote.command("close")
@address_argument
@common_here
def close(invocation: Invocation, address: str) -> None:
    """Close the connection that is kept for later commands.

    \b
    Examples:
      hpcbatch remote close login
    """
    was_there = _site(address).line.close()
    if invocation.json:
        print_json({"closed": was_there})
    else:
        say("Closed." if was_there else "No connection was kept.")


def _site(address: str) -> Ssh:
    from ..sites.connect import connect
    from ..sites.known_sites import as_login
    from ..sites.ssh.site import Ssh

    try:
        site = connect(address)
    except NotFound as error:
        raise NotFound(
            f"there is no site {address!r}: a login node is named by its address, which may be "
            f"{as_login(address)}, or by its name once it was set up"
        ) from error
    if not isinstance(site, Ssh):
        raise UsageError(f"{address} is no login node, such as ssh://me@login.cluster")
    return site


def _tell(invocation: Invocation, findings: Iterable[Finding]) -> None:
    """Each as it is found; ends the command where something is wrong."""
    found = []
    for finding in findings:
        found.append(finding)
        if not invocation.json:
            show(finding)
    if invocation.json:
        print_json([asdict(finding) for finding in found])
    if any(finding.state == WRONG for finding in found):
        is_away = found[-1].about in ("connection", "hpcbatch")
        click.get_current_context().exit(SITE if is_away else FAILED)
