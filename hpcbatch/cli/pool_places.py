"""Which pool is meant, and where its workers are: here, or behind a login node."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from .common import Invocation

if TYPE_CHECKING:
    from ..pool.monitor import Pool
    from ..sites.ssh.site import Ssh


class FoundPool(NamedTuple):
    """A pool: as it is known ``here``, if it is; where its workers are, if that is elsewhere, and
    its id there."""

    here: Pool | None
    site: Ssh | None
    there: str


def find(invocation: Invocation, pool_id: str) -> FoundPool:
    """Raises NotFound, UsageError. A whole id that is known here is meant before a default site."""
    from ..pool.monitor import find_pool, pools

    found = None
    if not invocation.elsewhere:
        known = pools(invocation.registry().root)
        found = next((pool for pool in known if pool.id == pool_id), None)
    if found is None:
        site = login_node(invocation)
        if site is not None:
            return FoundPool(None, site, pool_id)
        found = find_pool(pool_id, invocation.registry().root)
    record = found.record
    if not record.site:
        return FoundPool(found, None, found.id)
    from ..sites.ssh.address import Address
    from ..sites.ssh.site import Ssh

    return FoundPool(found, Ssh(Address.read(record.site), record.site_root), record.site_id)


def login_node(invocation: Invocation) -> Ssh | None:
    """Where the pools are that are meant, if not here. A server over HTTP keeps none: where that is
    the default site, those of this machine are meant. Raises UsageError where it was asked for."""
    if not (named := invocation.named_site()):
        return None
    from ..sites import known_sites
    from ..sites.ssh.address import Address
    from ..sites.ssh.site import Ssh
    from ..words.errors import UsageError

    card = known_sites.Card(named) if known_sites.is_login(named) else known_sites.find(named)
    address = Address.read(card.address) if card.is_login else None
    if address is not None and not address.tunnel:
        return Ssh(address)
    if invocation.elsewhere:
        raise UsageError(f"{card.address} keeps no pools: give a login node, as in ssh://login")
    return None


def done_there(site: Ssh | None, invocation: Invocation, *words: str) -> bool:
    """Run the command at the login node, if there is one."""
    if site is None:
        return False
    import shlex

    from ..sites.ssh import remote_paths, scripts

    site.exchange.ask("hello")  # where hpcbatch is not there, that is told as ever
    options = [
        *(["--json"] if invocation.json else []),
        *(["--root", site.root] if site.root else []),
    ]
    command = shlex.join([*options, "pool", *words])
    done = scripts.run(site.line, f"{remote_paths.command('hpcbatch')} {command}")
    click.echo(done.output, nl=False)
    click.echo(done.complaint, nl=False, err=True)
    if done.status:
        click.get_current_context().exit(done.status)
    return True
