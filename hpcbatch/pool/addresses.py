"""Where a pool's controller can be reached: all of it is offered, workers try which one it is."""

from __future__ import annotations

import array
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from ..words.errors import UsageError
from ..words.messages import nearest

_SIOCGIFCONF = 0x8912  # netdevice(7)
_IFREQ = struct.Struct("16s4x4s16x")  # of which the label, and the address of a sockaddr_in
_IPV6 = "/proc/net/if_inet6"  # proc(5)
_OF_A_LINK = "20"  # such an address leads nowhere without the name of the worker's interface
_EVERYWHERE = "*"
_LOOPBACK = "127.0.0.1"


class Endpoint(NamedTuple):
    """Where to listen, and the hosts that workers are told, best first."""

    bind: str
    hosts: tuple[str, ...]

    def addresses(self, port: int, protocol: str = "tcp") -> list[str]:
        return [f"{protocol}://{bracketed(host)}:{port}" for host in self.hosts]


def endpoint_of(is_local: bool, host: str | None, interface: str | None) -> Endpoint:
    """``host`` is told to workers as it is; ``interface``: its first address alone; ``is_local``:
    workers of this machine. Raises UsageError for an interface without an address."""
    host = host and host.strip("[]")
    if interface is not None:
        found = interface_addresses()
        if interface not in found:
            raise UsageError(
                f"there is no interface {interface!r} with an address"
                f"{nearest(interface, found)}; there are {', '.join(found)}"
            )
        own = found[interface][0]
        return Endpoint(own, (host or own,))
    if host is not None:
        return Endpoint(_bind_for(host), (host,))
    if is_local:
        return Endpoint(_LOOPBACK, (_LOOPBACK,))
    return Endpoint(_EVERYWHERE, all_addresses())


def listen(host: str, port: int) -> socket.socket:
    """As the door of a pool does: at ``*`` by IPv4 and IPv6. Raises OSError."""
    where = "" if host == "*" else host
    both = host == "*" and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both or is_ipv6(host) else socket.AF_INET
    return socket.create_server((where, port), family=family, backlog=1024, dualstack_ipv6=both)


def all_addresses() -> tuple[str, ...]:
    """Those that the host's name leads to first: a site has chosen them. Those of this machine
    alone come last, for workers that run on it. IPv6 after IPv4: few clusters lead it to nodes."""
    candidates = [*_addresses_of_name(), *chain(*interface_addresses().values())]
    others = [address for address in candidates if not _is_loopback(address)]
    return tuple(dict.fromkeys([*sorted(others, key=is_ipv6), _LOOPBACK]))


def interface_addresses() -> dict[str, list[str]]:
    """By the names of interfaces: their addresses of IPv4 before those of IPv6."""
    found: dict[str, list[str]] = {}
    for label, address in _ipv4_addresses():
        found.setdefault(label.partition(":")[0], []).append(address)  # eth0:1 is eth0's as well
    for address, _, _, scope, _, name in map(str.split, _lines(_IPV6)):
        if scope != _OF_A_LINK:
            found.setdefault(name, []).append(str(ipaddress.IPv6Address(bytes.fromhex(address))))
    return found


def _ipv4_addresses() -> Iterator[tuple[str, str]]:
    """(label, address) of each that an interface has, by SIOCGIFCONF of netdevice(7)."""
    room = 4 * _IFREQ.size
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        filled = room
        while filled == room:  # there may be more
            room *= 4
            buffer = array.array("B", bytes(room))
            asked = struct.pack("iP", room, buffer.buffer_info()[0])
            filled, _ = struct.unpack("iP", fcntl.ioctl(any_socket.fileno(), _SIOCGIFCONF, asked))
    for label, address in _IFREQ.iter_unpack(buffer[:filled].tobytes()):
        yield label.rstrip(b"\0").decode(), socket.inet_ntoa(address)


def is_ipv6(host: str) -> bool:
    return ":" in host


def bracketed(host: str) -> str:
    """As it stands before a port."""
    return f"[{host}]" if is_ipv6(host) else host


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            return file.readlines()
    except OSError:  # a kernel without IPv6
        return []


def _addresses_of_name() -> list[str]:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except OSError:  # the name leads nowhere
        return []
    return [str(entry[4][0]) for entry in found if "%" not in str(entry[4][0])]


def _bind_for(host: str) -> str:
    if not _is_loopback(host):
        return _EVERYWHERE
    return host if is_ipv6(host) else _LOOPBACK


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
