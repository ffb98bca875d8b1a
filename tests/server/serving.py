"""What stands behind a server, in this process, and keys that tests share, as one takes long."""

from __future__ import annotations

from functools import cache
from itertools import cycle
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from hpcbatch.registry.registry import Registry
from hpcbatch.server.identity import Identity
from hpcbatch.server.serve import ensure_local_user
from hpcbatch.server.settings import ServerSettings
from hpcbatch.server.site import ServedSite
from hpcbatch.sites.keys import new_key, private_pem, store_once
from hpcbatch.words.server_layout import ServerLayout

_turns = cycle(range(100, 108))  # apart from those that tests ask for by their numbers


@cache
def key_number(number: int) -> rsa.RSAPrivateKey:
    return new_key()


def next_key() -> rsa.RSAPrivateKey:
    """One of eight in turn. Hazard: so four servers differ, and the fifth is the first again."""
    return key_number(next(_turns))


def give_keys(root: str | Path) -> None:
    """To a server that will find its own, and that of who starts it."""
    layout = ServerLayout(str(root))
    identity = Identity(layout.identity, next_key())
    store_once(identity.key_path, private_pem(identity.key, None))
    store_once(layout.local_key, private_pem(next_key(), None))


def served_site(root: str | Path, settings: ServerSettings | None = None) -> ServedSite:
    give_keys(root)
    site = ServedSite(Registry(str(root)), settings or ServerSettings())
    ensure_local_user(site, ServerLayout(str(root)))
    return site
