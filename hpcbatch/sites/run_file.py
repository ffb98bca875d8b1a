"""The server of a registry that runs now, as its run file says."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass

from ..disk.files import publish, read
from ..disk.locks import is_held
from ..words.errors import DamagedFile
from ..words.server_layout import ServerLayout
from .known_sites import Card

UNIX = "unix:"  # begins the address of a socket in the file system
EVERYWHERE = ("0.0.0.0", "[::]")


@dataclass(frozen=True)
class Run:
    pid: int
    host: str  # that it runs on
    address: str
    key: str  # the hash of its key
    began: float  # seconds since 1970

    @property
    def is_here(self) -> bool:
        return self.host == os.uname().nodename

    @property
    def addresses(self) -> list[str]:
        return reached_at(self.address)

    @property
    def card(self) -> Card:
        return Card(self.addresses[-1], self.key)

    def publish(self, layout: ServerLayout) -> None:
        """Raises RegistryUnwritable."""
        publish(layout.run_file, json.dumps(asdict(self)).encode())


def reached_at(address: str) -> list[str]:
    """Where a server of this host is reached that listens at ``address``; the last one by those who
    are elsewhere."""
    if address.startswith(UNIX):
        return [address]
    scheme, _, host_and_port = address.partition("://")
    host, _, port = host_and_port.rpartition(":")
    if host not in EVERYWHERE:
        return [address]
    full = socket.getfqdn()
    own = socket.gethostname() if full.startswith("localhost") else full
    return [f"{scheme}://{name}:{port}" for name in ("127.0.0.1", own)]


def find_run(root: str) -> Run | None:
    """The server of the registry ``root``; one of another host is believed to run. Raises
    DamagedFile where one runs and nobody knows which."""
    layout = ServerLayout(root)
    if not os.path.exists(layout.run_file):
        return None
    is_served = is_held(layout.lock)  # first: who takes the lock removes what a killed one left
    try:
        run = Run(**json.loads(read(layout.run_file)))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        if not is_served:
            return None
        raise DamagedFile(
            f"{layout.run_file} is damaged ({error}), and a server runs: end the process that "
            f"{layout.lock} names, and start another one"
        ) from error
    return run if is_served or not run.is_here else None
