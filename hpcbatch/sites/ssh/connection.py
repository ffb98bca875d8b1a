"""A connection by fabric: ~/.ssh/config and jump hosts; made anew when it was lost."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import fabric
import paramiko
from paramiko.ssh_exception import SSHException

from ...words.errors import SiteUnreachable
from .address import Address
from .hostkeys import Ask
from .login import open_hop, said

OPENS_WITHIN = 20.0  # seconds that a connection which stands may take for a new channel
AT_ONCE = 8  # channels; sshd allows ten (MaxSessions)
# seconds after which a silent network counts as lost, as the kernel probes it
PROBES = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 35_000}

Made = TypeVar("Made")


class Connection:
    """To the host of ``address``; made when it is first used, and anew when it was lost."""

    def __init__(self, address: Address):
        self._address = address
        self._lock = threading.Lock()
        self._hop: fabric.Connection | None = None
        self.has_stood = False  # at any time
        self.slots = threading.BoundedSemaphore(AT_ONCE)

    def session(self, ask: Ask) -> paramiko.Channel:
        """A channel for one command. Raises SiteUnreachable, ServerUnknown, ServerChanged,
        AccessDenied."""
        return self._channel(lambda t: t.open_session(timeout=OPENS_WITHIN), ask)

    def direct(self, host: str, port: int, ask: Ask) -> paramiko.Channel:
        """A channel to a port that the login node reaches. Raises as ``session``."""
        where = (host, port), ("127.0.0.1", 0)
        return self._channel(
            lambda t: t.open_channel("direct-tcpip", *where, timeout=OPENS_WITHIN), ask
        )

    @property
    def is_connected(self) -> bool:
        hop = self._hop
        return bool(hop is not None and hop.is_connected)

    def close(self) -> None:
        hop, self._hop = self._hop, None
        if hop is not None:
            _close(hop)

    def drop(self, transport: paramiko.Transport) -> None:
        """Close it as one that was lost, where ``transport`` is not of an earlier one: others may
        have made it anew by now."""
        hop = self._hop
        if hop is not None and hop.transport is transport:
            _close(hop)

    def _channel(self, opened: Callable[[paramiko.Transport], Made], ask: Ask) -> Made:
        for is_fresh in (False, True):
            with self._lock:
                if not self.is_connected:
                    self.close()
                    self._hop = _connected(self._address, ask)
                    self.has_stood = True
                    is_fresh = True
                assert self._hop is not None
                transport = self._hop.transport
            try:
                return opened(transport)
            except paramiko.ChannelException as error:
                raise SiteUnreachable(f"{self._address.login} opens no channel: {error}") from error
            except (SSHException, EOFError, OSError) as error:
                self.drop(transport)  # it looked alive, as after the laptop has slept
                if is_fresh:
                    raise SiteUnreachable(
                        f"the connection to {self._address.login} was lost: {said(error)}"
                    ) from error
        raise AssertionError("a fresh connection opens a channel or raises")


def _connected(address: Address, ask: Ask) -> fabric.Connection:
    try:
        hop = fabric.Connection(address.host, user=address.user or None, port=address.port)
    except (ValueError, OSError, paramiko.ConfigParseError) as error:
        raise SiteUnreachable(f"{address.login}: ~/.ssh/config cannot be used: {error}") from error
    chain = _chain(hop)
    try:
        for each in reversed(chain):
            open_hop(each, ask)
            _watch(each)
    except BaseException:
        for each in chain:
            each.client.close()
        raise
    return hop


def _chain(hop: Any) -> Sequence[Any]:
    """The connection and the jump hosts before it, the nearest to us last."""
    found = []
    while isinstance(hop, fabric.Connection):
        found.append(hop)
        hop = hop.gateway
    return found


def _close(hop: fabric.Connection) -> None:
    for each in _chain(hop):
        each.close()


def _watch(hop: Any) -> None:
    """Have ``hop`` be told when the network goes silent. Raises SiteUnreachable: it is lost."""
    hop.transport.set_keepalive(30)
    sock = hop.transport.sock
    if not isinstance(sock, socket.socket):  # a channel through the hop before it
        return
    named = [(getattr(socket, name, None), value) for name, value in PROBES.items()]
    options = [(socket.IPPROTO_TCP, option, value) for option, value in named if option is not None]
    for option in ((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *options):
        try:
            sock.setsockopt(*option)
        except OSError as error:
            if sock.fileno() < 0:  # else this system has no such option
                raise SiteUnreachable(
                    f"the connection to {hop.user}@{hop.host} was lost: {said(error)}"
                ) from error
