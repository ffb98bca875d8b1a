"""The sites that a user knows: servers by name, address and the hash of their key; login nodes by
name and address, whose keys are in ~/.ssh/known_hosts."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from urllib.parse import urlsplit

from ..disk.files import make_folder, publish
from ..disk.locks import held
from ..words.errors import ConfigError, NotFound, UsageError
from ..words.layout import config_folder
from ..words.messages import nearest, without_file

PATIENCE = 30.0  # seconds that another process may need to change them
_KEY = re.compile(r"[a-z2-7]{52}\Z")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,40}\Z")


@dataclass(frozen=True)
class Card:
    """Where a site is, and what its server is known by: ``https://login:7033#HASH``; without a
    key ``ssh://me@login``. ``own`` is the file of the key to come in with, where that is not the
    user's only one."""

    address: str
    key: str = ""
    own: str = ""

    def __str__(self) -> str:
        return f"{self.address}#{self.key}" if self.key else self.address

    @property
    def is_login(self) -> bool:
        """A login node, or a server behind one."""
        return is_login(self.address)

    @property
    def host(self) -> str:
        return str(urlsplit(self.address).hostname)

    @classmethod
    def read(cls, text: str) -> Card:
        """Raises UsageError."""
        address, _, key = text.strip().partition("#")
        if is_login(address) and not key:
            from .ssh.address import Address

            return cls(str(Address.read(address)))
        try:
            split = urlsplit(address)
            has_place = split.scheme in ("https", "http") and split.hostname and split.port != 0
        except ValueError:
            has_place = False
        if not has_place or not _KEY.match(key):
            raise UsageError(
                f"{text!r} is no card of a server, such as https://login:7033#… (hpcbatch keys "
                "add and hpcbatch server status print it)"
            )
        return cls(address.rstrip("/"), key)


def is_login(address: str) -> bool:
    return address.startswith(("ssh://", "ssh+http://", "ssh+https://"))


def key_file() -> str:
    return f"{config_folder()}/key.pem"


def public_file() -> str:
    return f"{config_folder()}/key.pub"


def issued_key_file(site: str) -> str:
    """Of a key that the server ``site`` has made."""
    return f"{config_folder()}/keys/{checked_name(site)}.pem"


def checked_name(name: str) -> str:
    """Raises UsageError."""
    if not _NAME.match(name) or name.startswith("."):
        raise UsageError(f"{name!r} is no name of a site: 1 to 40 letters, digits, '.', '_', '-'")
    return name


def add(card: Card, name: str) -> None:
    """Under a name of its own; another card under the same name takes its place, and a key that
    the same server has made stays in use."""
    checked_name(name)
    with _changing() as known:
        former = known.get(name)
        if former and former.key == card.key and not card.own:
            card = replace(card, own=former.own)
        known[name] = card


def remove(name: str) -> None:
    """Raises NotFound."""
    if name not in (known := all_known()):
        raise NotFound(f"there is no site {name!r}{nearest(name, known)}")
    with _changing() as known:
        known.pop(name, None)


def all_known() -> dict[str, Card]:
    """By name. Raises ConfigError."""
    import yaml

    try:
        with open(_path(), encoding="utf-8") as file:
            told = yaml.safe_load(file) or {}
        return {str(name): Card(**fields) for name, fields in told.items()}
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{_path()} cannot be read: {without_file(error)}") from error


def find(text: str) -> Card:
    """By name or address. Raises NotFound."""
    known = all_known()
    if text in known:
        return known[text]
    for card in known.values():
        if card.address == text.rstrip("/"):
            return card
    raise NotFound(
        f"there is no site {text!r}{nearest(text, known)}. A server is known by its card: hpcbatch "
        f"site add CARD; a login node is {as_login(text)}, once hpcbatch remote setup has put "
        "hpcbatch there"
    )


def as_login(text: str) -> str:
    """The address of a login node that ``text`` may mean, or an example of one."""
    from .ssh.address import Address

    with contextlib.suppress(UsageError):
        if "://" not in text:
            return str(Address.read(f"ssh://{text}"))
    return "ssh://me@login"


@contextmanager
def _changing() -> Iterator[dict[str, Card]]:
    """Those of ``all_known``, published as they are at the end."""
    import yaml

    make_folder(config_folder())
    with held(f"{config_folder()}/sites.lock", PATIENCE):
        known = all_known()
        yield known
        told = {
            name: {field: value for field, value in asdict(card).items() if value}
            for name, card in sorted(known.items())
        }
        publish(_path(), yaml.safe_dump(told).encode())


def _path() -> str:
    return f"{config_folder()}/sites.yaml"
