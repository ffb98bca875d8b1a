"""Users of a server: added, found, revoked, by several processes."""

from __future__ import annotations

import builtins
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.server.users import User, Users
from hpcbatch.sites.keys import key_id, public_pem
from hpcbatch.words.errors import DamagedFile, KeyFileError, NewerFormat, NotFound, UsageError

from .serving import key_number
from .test_keys import mode, pem_of

NAMES = ["a", "alice", "Bob.B_b-2", "0", "x" * 40]
NO_NAMES = ["", "x" * 41, "two words", "a/b", "ünï", "a\n", "\n", "a,b", "a\0", "漢"]


@pytest.fixture
def users(tmp_path: Path) -> Users:
    return Users(str(tmp_path / "users"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every path that is opened or listed."""
    paths: list[str] = []
    really = builtins.open

    def noted(path: Any, *args: Any, **options: Any) -> Any:
        paths.append(str(path))
        return really(path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "open", noted)
        yield paths


def pem(number: int) -> bytes:
    return public_pem(key_number(number))


def path_of(tmp_path: Path, user: User) -> Path:
    return tmp_path / "users" / f"{user.id}.json"


def altered(path: Path, **changes: Any) -> None:
    """One field changed; left out where it is ``...``."""
    fields = {**json.loads(path.read_bytes()), **changes}
    left = {name: value for name, value in fields.items() if value is not ...}
    path.write_text(json.dumps(left))


@pytest.mark.parametrize("name", NAMES)
def test_a_user_is_added_and_found(tmp_path: Path, users: Users, name: str) -> None:
    before = time.time()
    user = users.add(pem(0), name)
    assert before <= user.added <= time.time()
    assert user == User(
        key_id(key_number(0).public_key()), name, False, pem(0).decode(), user.added, None
    )
    assert users.get(user.id) == users.find(name) == users.find(user.id) == user
    assert users.all() == Users(str(tmp_path / "users")).all() == [user]
    assert mode(path_of(tmp_path, user)) == 0o600
    assert mode(tmp_path / "users") == 0o700


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_is_none_is_refused(users: Users, name: str) -> None:
    with pytest.raises(UsageError, match="no user's name"):
        users.add(pem(0), name)
    assert users.all() == []


def test_what_is_no_public_key_is_refused(users: Users) -> None:
    for content in (b"", b"hello", pem_of(key_number(0))):
        with pytest.raises(KeyFileError):
            users.add(content, "alice")
    assert users.all() == []


def test_the_same_key_again_changes_name_and_rights(users: Users) -> None:
    first = users.add(pem(0), "alice")
    second = users.add(b"\n" + pem(0) + b"a remark\n", "ally", admin=True)
    assert second == replace(first, name="ally", admin=True)
    assert users.all() == [second]
    assert users.get(first.id) == second


def test_a_name_belongs_to_one_until_it_is_revoked(users: Users) -> None:
    first = users.add(pem(0), "alice")
    with pytest.raises(UsageError, match="another user"):
        users.add(pem(1), "alice")
    users.add(pem(1), "bob")
    with pytest.raises(UsageError, match="another user"):
        users.add(pem(1), "alice")
    users.revoke("alice")
    second = users.add(pem(1), "alice")
    assert users.find("alice") == second
    assert [user.id for user in users.all()] == [first.id, second.id]


def test_a_revoked_key_stays_revoked(users: Users) -> None:
    user = users.add(pem(0), "alice")
    revoked = users.revoke(user.id)
    assert revoked.revoked is not None
    assert replace(revoked, revoked=None) == user
    assert users.revoke("alice") == revoked == users.get(user.id)
    with pytest.raises(UsageError, match="was revoked"):
        users.add(pem(0), "other", admin=True)
    assert users.all() == [revoked]


def test_who_is_not_there_is_told_with_a_hint(users: Users) -> None:
    users.add(pem(0), "alice")
    for text in ("alcie", "", "alice ", "../users", "a" * 52):
        with pytest.raises(NotFound):
            users.find(text)
        with pytest.raises(NotFound):
            users.revoke(text)
    with pytest.raises(NotFound, match="did you mean 'alice'"):
        users.find("alcie")


def test_several_that_were_revoked_are_told_apart_by_id(users: Users) -> None:
    both = []
    for number in (0, 1):
        both.append(users.add(pem(number), "alice"))
        users.revoke("alice")
    with pytest.raises(NotFound, match="several") as caught:
        users.find("alice")
    assert all(user.id in str(caught.value) for user in both)
    assert users.find(both[1].id).name == "alice"


def test_changes_of_another_process_are_seen_at_once(tmp_path: Path, users: Users) -> None:
    other = Users(str(tmp_path / "users"))
    user_id = key_id(key_number(0).public_key())
    assert users.get(user_id) is None
    assert other.add(pem(0), "alice") == users.get(user_id)
    for admin in (True, False) * 20:
        assert other.add(pem(0), "alice", admin) == users.get(user_id)
    revoked = other.revoke("alice")
    assert users.get(user_id) == revoked
    path_of(tmp_path, revoked).unlink()
    assert users.get(user_id) is None


def test_an_unchanged_file_is_not_read_again(
    users: Users, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = users.add(pem(0), "alice")
    assert users.get(user.id) == user
    monkeypatch.setattr("hpcbatch.server.users._user", lambda *_: pytest.fail("read again"))
    assert users.get(user.id) == user


def test_what_is_no_id_never_touches_the_disk(users: Users, opened: list[str]) -> None:
    user = users.add(pem(0), "alice")
    opened.clear()
    whole = user.id
    for text in ("", f"../users/{whole}", whole[:-1], f"{whole}\n", whole.upper(), "/" * 52):
        assert users.get(text) is None
    assert opened == []


@given(st.text() | st.text("abcdefghij234567./\\\0\n", min_size=50, max_size=54))
def test_no_text_is_a_user(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    users = Users(str(tmp_path_factory.getbasetemp() / "no-users"))
    assert users.get(text) is None
    with pytest.raises(NotFound):
        users.find(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "a" * 52},
        {"id": ...},
        {"name": "two words"},
        {"name": 1},
        {"name": ...},
        {"admin": "false"},
        {"admin": 1},
        {"admin": ...},
        {"public_pem": "hello"},
        {"public_pem": 1},
        {"public_pem": "other"},
        {"added": "yesterday"},
        {"added": None},
        {"revoked": False},
        {"revoked": ""},
        {"revoked": ...},
        {"unknown": 1},
    ],
    ids=str,
)
def test_an_altered_file_is_no_user(
    tmp_path: Path, users: Users, changes: dict[str, object]
) -> None:
    user = users.add(pem(0), "alice", admin=True)
    assert users.get(user.id) == user
    if changes == {"public_pem": "other"}:
        changes = {"public_pem": pem(1).decode()}
    altered(path_of(tmp_path, user), **changes)
    assert users.get(user.id) is None
    with pytest.raises(DamagedFile, match=r"damaged: .* add the key again"):
        users.all()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_a_damaged_file_is_no_user_until_it_is_mended(
    tmp_path: Path, users: Users, content: bytes
) -> None:
    user = users.add(pem(0), "alice")
    path = path_of(tmp_path, user)
    whole = path.read_bytes()
    path.write_bytes(content)
    for _ in range(2):
        assert users.get(user.id) is None
    for ask in (users.all, lambda: users.find("alice"), lambda: users.add(pem(1), "bob")):
        with pytest.raises(DamagedFile, match=user.id):
            ask()
    path.write_bytes(whole)
    assert users.get(user.id) == user


def test_a_file_of_a_newer_hpcbatch_is_no_user(tmp_path: Path, users: Users) -> None:
    user = users.add(pem(0), "alice")
    altered(path_of(tmp_path, user), format=99)
    assert users.get(user.id) is None
    with pytest.raises(NewerFormat):
        users.all()


def test_files_that_are_no_users_are_left_alone(tmp_path: Path, users: Users) -> None:
    user = users.add(pem(0), "alice")
    for name in ("notes.json", f"{user.id}.json.17.abcd.tmp", f"{'a' * 51}.json"):
        (tmp_path / "users" / name).write_bytes(b"")
    assert users.all() == [user]


def test_one_of_many_who_want_a_name_at_once_gets_it(tmp_path: Path) -> None:
    pems = [pem(number) for number in range(3)]

    def wanted(pem: bytes) -> bool:
        try:
            Users(str(tmp_path / "users")).add(pem, "alice")
        except UsageError:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(wanted, pems)) == [False, False, True]
    assert len(Users(str(tmp_path / "users")).all()) == 1
    assert not [name for name in os.listdir(tmp_path / "users") if name.endswith(".tmp")]
