"""One connection for all: who fails on the one before leaves the one that others have made."""

from __future__ import annotations

from typing import Any

import fabric
import paramiko
import pytest

import hpcbatch as hb
from hpcbatch.sites.ssh import connection, keeper_client
from hpcbatch.sites.ssh.address import Address
from hpcbatch.sites.ssh.keeper import ConnectionKeeper

LOGIN = Address(host="login")


class Hop(fabric.Connection):
    """One whose commands fail once others have found it lost, and have made another."""

    is_open = True
    is_connected = property(lambda self: self.is_open)

    def close(self) -> None:
        self.is_open = False


class Transport:
    """And a channel of it."""

    def open_session(self, timeout: float) -> Transport:
        return self

    def get_transport(self) -> Transport:
        return self


def ask(words: str, shown: bool) -> None:
    return None


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The connections, as they are made."""
    hops: list[Any] = []

    def connected(address: Address, ask: connection.Ask) -> Any:
        hops.append(Hop(address.host))
        hops[-1].transport = Transport()
        return hops[-1]

    monkeypatch.setattr(connection, "_connected", connected)
    return hops


def lost_for_others(shared: connection.Connection, first: Any) -> None:
    def opened(transport: Any) -> Any:
        if transport is first:
            raise EOFError
        return transport

    assert shared._channel(opened, ask) is not first


def test_a_channel_that_fails_late(made: list[Any]) -> None:
    shared = connection.Connection(LOGIN)
    shared.session(ask)

    def opened(transport: Any) -> Any:
        if transport is made[0].transport:
            lost_for_others(shared, transport)
            raise EOFError
        return transport

    assert shared._channel(opened, ask) is made[1].transport
    assert [hop.is_connected for hop in made] == [False, True]


def test_a_command_that_fails_late(made: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = ConnectionKeeper(LOGIN, "/nowhere", 1.0, 0)

    def exec_command(transport: Transport, command: str) -> None:
        lost_for_others(keeper._connection, transport)
        raise paramiko.SSHException("Channel is not open")

    monkeypatch.setattr(Transport, "exec_command", exec_command, raising=False)
    with pytest.raises(hb.SiteUnreachable, match="runs nothing"):
        keeper._started("true", ask)
    assert [hop.is_connected for hop in made] == [False, True]


def test_one_that_is_lost_at_once_is_closed(made: list[Any]) -> None:
    shared = connection.Connection(LOGIN)

    def opened(transport: Any) -> Any:
        raise EOFError

    with pytest.raises(hb.SiteUnreachable, match="was lost"):
        shared._channel(opened, ask)
    assert [hop.is_connected for hop in made] == [False]


def test_a_keeper_that_does_not_answer_is_told_with_its_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeper_client, "STARTS_WITHIN", -1.0)
    with pytest.raises(
        hb.SiteError, match=r"nowhere.invalid does not answer.*\.log\).*remote close"
    ):
        hb.connect("ssh://me@nowhere.invalid").specs()


@pytest.mark.parametrize("name", ["HPCBATCH_SSH_KEEP", "HPCBATCH_SSH_SPARES"])
def test_a_variable_that_is_no_number(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "ten")
    with pytest.raises(hb.UsageError, match=f"{name}='ten' is no number"):
        hb.connect("ssh://nowhere.invalid").specs()
