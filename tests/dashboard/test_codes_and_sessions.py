"""What lets a browser in: codes that are used once, sessions that end."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hpcbatch.server.dashboard import codes, sessions
from hpcbatch.server.dashboard.codes import LIVES, Codes
from hpcbatch.server.dashboard.sessions import Halves, Sessions
from hpcbatch.server.users import User, Users
from hpcbatch.sites.keys import public_pem
from hpcbatch.words.errors import AccessDenied, StateError

KEEP_ALIVE = 100.0


def test_a_code_is_used_once() -> None:
    held = Codes()
    code, name = held.issue("alice", 0)
    assert not held.is_used(name, "alice")
    assert held.redeem(code, 1) == "alice"
    assert held.is_used(name, "alice")
    assert not held.is_used(name, "bob")  # nobody learns of another's
    with pytest.raises(AccessDenied, match="was used"):
        held.redeem(code, 2)


def test_a_code_expires_and_is_remembered_as_a_hash_alone() -> None:
    held = Codes()
    code, name = held.issue("alice", 0)
    assert code not in repr(vars(held))
    assert name != code
    with pytest.raises(AccessDenied):
        held.redeem(code, LIVES)
    for wrong in ("", name, code[:-1], code + "x", "\udcff"):
        with pytest.raises(AccessDenied):
            held.redeem(wrong, 1)
    assert held.redeem(code, LIVES - 1) == "alice"


def test_codes_are_forgotten_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "MOST", 3)
    held = Codes()
    for _ in range(3):
        held.issue("alice", 0)
    with pytest.raises(StateError, match="minute"):
        held.issue("alice", 1)
    held.issue("alice", LIVES)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def users(tmp_path: Path) -> Users:
    return Users(str(tmp_path / "users"))


@pytest.fixture
def alice(users: Users, key: rsa.RSAPrivateKey) -> User:
    return users.add(public_pem(key), "alice")


def test_a_session_needs_both_halves(users: Users, alice: User) -> None:
    held = Sessions(users, KEEP_ALIVE)
    halves, others = held.begin(alice.id, 0), held.begin(alice.id, 0)
    assert held.user_of(halves, 1) == alice
    for wrong in (
        Halves(halves.cookie, ""),
        Halves("", halves.token),
        Halves(halves.cookie, others.token),
        Halves(halves.token, halves.cookie),
    ):
        with pytest.raises(AccessDenied):
            held.user_of(wrong, 1)
    assert halves.cookie not in repr(vars(held)["_sessions"])
    assert halves.token not in repr(vars(held)["_sessions"])
    held.end(halves)
    with pytest.raises(AccessDenied, match="has ended"):
        held.user_of(halves, 1)
    assert held.user_of(others, 1) == alice


def test_a_session_ends_when_it_is_idle(users: Users, alice: User) -> None:
    held = Sessions(users, KEEP_ALIVE)
    halves = held.begin(alice.id, 0)
    assert held.user_of(halves, KEEP_ALIVE - 1) == alice
    assert held.user_of(halves, 2 * KEEP_ALIVE - 2) == alice  # it was used meanwhile
    with pytest.raises(AccessDenied, match="has ended"):
        held.user_of(halves, 3 * KEEP_ALIVE)
    with pytest.raises(AccessDenied, match="has ended"):
        held.user_of(halves, 0)


def test_a_revoked_key_ends_its_sessions(users: Users, alice: User) -> None:
    held = Sessions(users, KEEP_ALIVE)
    halves = held.begin(alice.id, 0)
    users.revoke("alice")
    with pytest.raises(AccessDenied, match="not known"):
        held.user_of(halves, 1)
    with pytest.raises(AccessDenied, match="has ended"):
        held.user_of(halves, 1)
    with pytest.raises(AccessDenied, match="not known"):
        held.begin(alice.id, 2)


def test_sessions_are_bounded(users: Users, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST", 3)
    held = Sessions(users, KEEP_ALIVE)
    first, *_ = [held.begin(alice.id, moment) for moment in range(4)]
    with pytest.raises(AccessDenied, match="has ended"):
        held.user_of(first, 5)
