"""What is an address of a login node, and what is none."""

from __future__ import annotations

import pytest

import hpcbatch as hb
from hpcbatch.sites.connect import connect
from hpcbatch.sites.ssh.address import Address


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ssh://login", Address("login")),
        ("ssh://me@login.cluster", Address("login.cluster", "me")),
        ("ssh://me@Login:2222/s/two%20words", Address("Login", "me", 2222, "/s/two words")),
        ("ssh://login/~/tasks", Address("login", root="~/tasks")),
        ("ssh://[::1]:22", Address("::1", port=22)),
        ("ssh+http://login", Address("login", tunnel=True)),
    ],
)  # fmt: skip
def test_what_it_says(text: str, found: Address) -> None:
    assert Address.read(text) == found
    assert Address.read(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "ssh://",
        "ssh://-oProxyCommand=touch",
        "ssh://me@-oProxyCommand",
        "ssh://-l@login",
        "ssh://lo gin",
        "ssh://login;touch",
        "ssh://$(touch)@login",
        "ssh://login:0",
        "ssh://login:99999",
        "ssh://me:secret@login",
        "ssh://login/a%0ab",
        "ssh://login?x=1",
        "https://login",
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(hb.UsageError, match="no address"):
        Address.read(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nowhere", "a login node is ssh://nowhere, once hpcbatch remote setup"),
        ("me@login", "a login node is ssh://me@login, once"),
        ("https://other:7033", "a login node is ssh://me@login, once"),
        ("two words", "a login node is ssh://me@login, once"),
    ],
)
def test_a_name_that_nobody_has_given(text: str, told: str) -> None:
    with pytest.raises(hb.NotFound) as caught:
        connect(text)
    assert str(caught.value).startswith(f"there is no site {text!r}")
    assert told in str(caught.value)
