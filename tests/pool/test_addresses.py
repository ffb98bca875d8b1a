"""Where workers are told to dial in."""

from __future__ import annotations

import subprocess
import sys

import pytest

import hpcbatch as hb
from hpcbatch.pool import addresses
from hpcbatch.pool.addresses import endpoint_of, interface_addresses


def test_workers_of_this_machine_need_no_network() -> None:
    endpoint = endpoint_of(True, None, None)
    assert endpoint.bind == "127.0.0.1"
    assert endpoint.addresses(7) == ["tcp://127.0.0.1:7"]


def test_every_address_is_offered_the_named_one_first(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "lo": ["127.0.0.1", "::1"],
        "eth0": ["10.0.0.7", "fd00::7"],
        "ib0": ["192.168.1.7"],
        "hsn0": ["fd01::7"],
    }
    monkeypatch.setattr(addresses, "interface_addresses", lambda: found)
    monkeypatch.setattr(
        addresses, "_addresses_of_name", lambda: ["fd01::7", "192.168.1.7", "127.0.1.1"]
    )
    endpoint = endpoint_of(False, None, None)
    assert endpoint.bind == "*"
    assert endpoint.hosts == ("192.168.1.7", "10.0.0.7", "fd01::7", "fd00::7", "127.0.0.1")
    assert endpoint.addresses(7)[2] == "tcp://[fd01::7]:7"
    assert endpoint_of(False, None, "hsn0") == ("fd01::7", ("fd01::7",))
    assert endpoint_of(False, None, "ib0") == ("192.168.1.7", ("192.168.1.7",))
    assert endpoint_of(False, "login.site", "ib0") == ("192.168.1.7", ("login.site",))
    with pytest.raises(hb.UsageError, match=r"no interface 'ib1'.*did you mean 'ib0'"):
        endpoint_of(False, None, "ib1")


def test_a_host_is_told_as_it_is() -> None:
    assert endpoint_of(False, "login.site", None) == ("*", ("login.site",))
    assert endpoint_of(False, "localhost", None) == ("127.0.0.1", ("localhost",))
    assert endpoint_of(False, "::1", None) == endpoint_of(False, "[::1]", None) == ("::1", ("::1",))


def test_the_loopback_has_an_address_here() -> None:
    assert interface_addresses()["lo"][0] == "127.0.0.1"


WITH_MANY_ADDRESSES = """
import fcntl, socket, struct
from hpcbatch.pool.addresses import interface_addresses
SIOCSIFADDR = 0x8916
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    for number in range(1, 100):
        address = struct.pack("HH4s8x", socket.AF_INET, 0, bytes([10, 9, 0, number]))
        asked = struct.pack("16s16s8x", b"lo:%d" % number, address)
        fcntl.ioctl(any_socket.fileno(), SIOCSIFADDR, asked)
print(*[address for address in interface_addresses()["lo"] if "." in address])
"""


def test_all_addresses_of_one_interface_are_offered() -> None:
    alone = ["unshare", "--net", "--map-root-user"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no network namespace can be made here")
    argv = [*alone, sys.executable, "-c", WITH_MANY_ADDRESSES]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert set(told.split()) >= {f"10.9.0.{number}" for number in range(1, 100)}


@pytest.mark.parametrize("bind", ["::1", "*"])
def test_workers_dial_in_by_ipv6(bind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "::1" not in interface_addresses()["lo"]:
        pytest.skip("this machine has no IPv6")
    monkeypatch.setattr(addresses, "_bind_for", lambda host: bind)
    with hb.Controller("local", workers=1, host="::1") as pool:
        assert pool.map(abs, [-3]) == [3]
