"""Where a pool's controller can be reached: all of it is offered, workers try which one it is."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from typing import NamedTuple

from ..words.errors import UsageError, nearest

_SIOCGIFADDR = 0x8915  # netdevice(7)
_EVERYWHERE = "*"
_LOOPBACK = "127.0.0.1"


class Place(NamedTuple):
    """Where to listen, and the hosts that workers are told, best first."""

    bind: str
    hosts: tuple[str, ...]

    def addresses(self, port: int) -> list[str]:
        return [f"tcp://{host}:{port}" for host in self.hosts]


def place_of(is_local: bool, host: str | None, interface: str | None) -> Place:
    """``host`` is told to workers as it is; ``interface``: its address alone; ``is_local``: workers
    of this machine. Raises UsageError for an interface that is not here or has no address."""
    if interface is not None:
        found = interface_addresses()
        if interface not in found:
            raise UsageError(
                f"there is no interface {interface!r} with an IPv4 address"
                f"{nearest(interface, found)}; there are {', '.join(found)}"
            )
        own = found[interface]
        return Place(own, (host or own,))
    if host is not None:
        return Place(_LOOPBACK if _is_loopback(host) else _EVERYWHERE, (host,))
    if is_local:
        return Place(_LOOPBACK, (_LOOPBACK,))
    return Place(_EVERYWHERE, all_addresses())


def all_addresses() -> tuple[str, ...]:
    """Those that the host's name leads to first: a site has chosen them. Those of this machine
    alone come last, for workers that run on it."""
    candidates = [*_addresses_of_name(), *interface_addresses().values()]
    others = [address for address in candidates if not _is_loopback(address)]
    return tuple(dict.fromkeys([*others, _LOOPBACK]))


def interface_addresses() -> dict[str, str]:
    """IPv4 addresses by the names of interfaces that have one."""
    found = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(any_socket.fileno(), _SIOCGIFADDR, request)
            except OSError:  # it has none
                continue
            found[name] = socket.inet_ntoa(answer[20:24])
    return found


def _addresses_of_name() -> list[str]:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:  # the name leads nowhere
        return []
    return [str(entry[4][0]) for entry in found]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
