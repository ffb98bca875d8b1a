"""From the name or address of a site to the site."""

from __future__ import annotations

import getpass
import sys

from ..registry.root import default_root
from ..words.errors import NotFound, UsageError
from ..words.extras import needs
from ..words.server_layout import ServerLayout
from .base import Site
from .run_file import find_run


def connect(address: str | None = None, root: str | None = None) -> Site:
    """The site at ``address``: a name or an address from ``hpcbatch site add``, such as
    ``https://login:7033``; a login node such as ``ssh://me@login``, of whose registry ``root`` may
    be another folder; the server behind one, as ``ssh+http://me@login``. Without an address, or
    for that of it, the server of one's own registry on this machine.

    Raises NotFound, KeyFileError; SiteUnreachable, SiteNotReady, ServerChanged, ServerUnknown and
    AccessDenied with the first verb.
    """
    if address is not None and not isinstance(address, str):
        raise UsageError(f"{address!r} is no address of a site")
    from . import known_sites

    own = find_run(root or default_root())
    is_own = own is not None and own.is_here and address in (None, own.address)
    if address is not None and not is_own:
        card = (
            known_sites.Card(address)
            if known_sites.is_login(address)
            else known_sites.find(address)
        )
        if card.is_login:
            return _behind_login(card.address, root)
    with needs("a site over HTTP", "server"):
        from .keys import load_private
        from .rest.client import Client
        from .rest.site import Rest
    if own is not None and is_own:
        key = load_private(ServerLayout(root or default_root()).local_key, None)
        return Rest(Client(own.address, own.key, key))
    if address is None:
        raise NotFound("no server runs for your registry here: hpcbatch server start")
    key = load_private(card.own or known_sites.key_file(), _ask)
    return Rest(Client(card.address, card.key, key))


def _behind_login(address: str, root: str | None) -> Site:
    from .ssh.address import Address
    from .ssh.site import Ssh

    read = Address.read(address)
    if read.tunnel:
        from .ssh.tunnel import through

        return through(read, root, _ask)
    return Ssh(read, root or "")


def _ask(words: str) -> str:
    if not sys.stdin.isatty():
        raise UsageError(f"nobody can be asked for the {words}")
    return getpass.getpass(f"{words}: ")
