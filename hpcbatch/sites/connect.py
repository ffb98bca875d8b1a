"""From the name or address of a site to the site."""

from __future__ import annotations

import getpass
import sys

from ..registry.registry import default_root
from ..words.errors import NotFound, UsageError
from ..words.layout import ServerLayout
from .base import Site


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
    from . import known

    if address is not None and not known.is_login(address) and "://" not in address:
        address = known.find(address).address
    if address is not None and known.is_login(address):
        return _behind_login(address, root)
    try:
        from .rest.client import Client
    except ImportError as error:
        raise UsageError(
            f"a site over HTTP needs more packages ({error}): pip install 'hpcbatch[server]'"
        ) from error
    from .keys import load_private
    from .rest.site import Rest
    from .run import find_run

    own = find_run(root or default_root())
    if own is not None and own.is_here and address in (None, own.address):
        key = load_private(ServerLayout(root or default_root()).local_key, None)
        return Rest(Client(own.address, own.key, key))
    if address is None:
        raise NotFound("no server runs for your registry here: hpcbatch server start")
    card = known.find(address)
    return Rest(Client(card.address, card.key, load_private(known.key_file(), _ask)))


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
