"""A server that listens on the login node alone, through the connection to that node."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from ...words.extras import needs
from ..base import Site
from .address import Address
from .exchange import Exchange
from .keeper_client import Line


def through(address: Address, root: str | None, ask: Callable[[str], str]) -> Site:
    """Where it listens and the hash of its key are asked through the connection; a request then
    proves this user's own key, as to any server. Raises NotFound where none runs."""
    with needs("a site over HTTP", "server"):
        from ..rest.client import Client
        from ..rest.site import Rest
    from .. import known_sites
    from ..keys import load_private

    line = Line(address.login)
    told = Exchange(line, root or address.root).ask("server")
    key = load_private(known_sites.key_file(), ask)
    split = urlsplit(told["address"])
    socket = line.forward(str(split.hostname), int(split.port or 443))
    site = Rest(Client(told["address"], told["key"], key, socket))
    site.place = str(address)
    return site
