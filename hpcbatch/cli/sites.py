"""site: those that one knows."""

from __future__ import annotations

import click

from .common import Invocation, common_here, completed, here_options, print_json, say
from .tables import print_table


@click.group("site")
@here_options
def site() -> None:
    """Sites that you know, for --site.

    They are servers and login nodes. A server is known by its card, which holds its address and the
    hash of its key; its owner gets it from hpcbatch keys add, or server status. hpcbatch remote
    setup adds a login node by itself.

    \b
    Examples:
      hpcbatch site add 'https://login:7033#…' --name lab
      hpcbatch site add ssh://me@login
      hpcbatch list --site lab
      hpcbatch site default lab                 # for every command without --site
    """


@site.command("add", short_help="Remember a server or a login node.")
@click.argument("card", metavar="CARD")
@click.option("--name", help="A short one for --site [default: that of its host].")
@common_here
def add_site(invocation: Invocation, card: str, name: str | None) -> None:
    """Remember a server by its card, which its owner gets from keys add or server status; or a
    login node by its address, such as ssh://me@login.

    \b
    Examples:
      hpcbatch site add 'https://login:7033#…' --name lab
      hpcbatch site add ssh://me@login --name login
    """
    from ..sites import known_sites

    read = known_sites.Card.read(card)
    name = name or read.host
    known_sites.add(read, name)
    if invocation.json:
        print_json({"name": name, "address": read.address, "key": read.key})
    else:
        say(f"{name} is {read.address}: hpcbatch list --site {name}")


@site.command("list")
@common_here
def list_sites(invocation: Invocation) -> None:
    """List the sites that you know.

    \b
    Examples:
      hpcbatch site list
    """
    from ..sites import default, known_sites

    found = known_sites.all_known()
    if invocation.json:
        print_json({name: {"address": c.address, "key": c.key} for name, c in found.items()})
        return
    usual = default.read()
    rows = [
        [name, "default" if name == usual else "", card.address, card.key]
        for name, card in found.items()
    ]
    print_table(("name", "", "address", "key"), rows)


@site.command("default", short_help="Set or tell the site that is meant without --site.")
@click.argument("name", required=False, metavar="[NAME]", shell_complete=completed("site_names"))
@click.option("--none", is_flag=True, help="This machine again.")
@common_here
def default_site(invocation: Invocation, name: str | None, none: bool) -> None:
    """Use the site NAME wherever --site is not given; or tell which one that is.

    \b
    Examples:
      hpcbatch site default
      hpcbatch site default lab
      hpcbatch site default --none
    """
    from ..sites import default, known_sites

    if name is not None:
        known_sites.find(name)
    if name is not None or none:
        default.write(name or "")
    now = default.read()
    print_json({"default": now or None}) if invocation.json else click.echo(now or "this machine")


@site.command("remove")
@click.argument("name", metavar="NAME", shell_complete=completed("site_names"))
@common_here
def remove_site(invocation: Invocation, name: str) -> None:
    """Forget a site. A key that its server made stays.

    \b
    Examples:
      hpcbatch site remove lab
    """
    from ..sites import default, known_sites

    known_sites.remove(name)
    if default.read() == name:
        default.write("")
    print_json({"removed": name}) if invocation.json else say(f"{name} is forgotten.")
