"""Where a server listens: an address, or a socket that its owner alone can reach."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import httpx

from ..disk.files import unlink_quietly
from ..sites.run_file import UNIX
from ..supervisor.spool import Spool
from ..words.errors import ConfigError
from ..words.messages import without_file
from .connection_limit import LimitedListener, room
from .settings import ServerSettings


class Listener(NamedTuple):
    socket: socket.socket
    address: str  # as clients know it


@contextlib.contextmanager
def listening(settings: ServerSettings, root: str) -> Iterator[Listener]:
    """Raises ConfigError where the address cannot be had."""
    most = room()
    way = _at_file(root) if settings.protocol == "unix" else _at_port(settings, most)
    with way as listener:
        yield listener


@contextlib.contextmanager
def _at_port(settings: ServerSettings, most: int) -> Iterator[Listener]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where it sees that this is TCP
    with LimitedListener(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, most) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            why = without_file(error)
            if error.errno == errno.EADDRINUSE:
                why = f"{_who(settings)} listens there; --port 0 takes any that is free"
            raise ConfigError(f"cannot listen at {settings.address}: {why}") from error
        yield Listener(listener, replace(settings, port=listener.getsockname()[1]).address)


@contextlib.contextmanager
def _at_file(root: str) -> Iterator[Listener]:
    """In a folder of mode 0700 on this host: a shared disk may know no sockets, and its paths may
    be longer than theirs."""
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    path = f"{Spool.make().path}/server-{name}.sock"
    unlink_quietly(path)  # of a server that was killed: this one has the lock
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(path)
        except OSError as error:
            raise ConfigError(f"cannot listen at {path}: {without_file(error)}") from error
        try:
            yield Listener(listener, f"{UNIX}{path}")
        finally:
            unlink_quietly(path)


def _who(settings: ServerSettings) -> str:
    try:
        with httpx.Client(verify=False, trust_env=False, timeout=2.0) as client:
            told = client.post(f"{settings.address}/validate/ping").json()
        return f"a server of hpcbatch {told['version']} (key {told['server']})"
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return "something else"
