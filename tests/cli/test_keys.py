"""Keys and sites on the command line, without a server."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hpcbatch.cli.main import main
from hpcbatch.server.users import Users
from hpcbatch.sites import default, keys, known_sites
from hpcbatch.words.errors import RegistryBusy
from hpcbatch.words.server_layout import ServerLayout

SLOW_KEY = keys.new_key()


class Person:
    """Somebody with a home of their own."""

    def __init__(self, home: Path, patch: pytest.MonkeyPatch):
        self.home, self._patch = home, patch

    def run(self, *argv: str, status: int = 0, typed: str = "") -> str:
        self._patch.setenv("XDG_CONFIG_HOME", str(self.home))
        done = CliRunner().invoke(main, [*argv, "--root", str(self.home / "root")], input=typed)
        assert done.exit_code == status, (argv, done.output)
        return done.output

    def told(self, *argv: str, typed: str = "") -> Any:
        return json.loads(self.run(*argv, "--json", typed=typed))


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Person, Person]:
    """Who owns the server, and who wants to come in."""
    monkeypatch.setattr(keys, "new_key", lambda: SLOW_KEY)
    return Person(tmp_path / "owner", monkeypatch), Person(tmp_path / "bob", monkeypatch)


def issued(people: tuple[Person, Person], tmp_path: Path) -> dict[str, Any]:
    owner, bob = people
    own_id, file = bob.run("keys", "whoami").strip(), str(tmp_path / "bob.pem")
    return dict(owner.told("keys", "issue", "--user", own_id, "--name", "bob", "-o", file))


def test_a_key_that_the_server_made_is_taken_with_its_card(
    people: tuple[Person, Person], tmp_path: Path
) -> None:
    owner, bob = people
    told = issued(people, tmp_path)
    file = Path(told["file"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert told["password"] not in file.read_text()
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in file.read_bytes()
    taken = bob.told("keys", "import", str(file), "--name", "lab", typed=told["password"] + "\n")
    assert taken["id"] == told["id"]
    assert stat.S_IMODE(Path(taken["private"]).stat().st_mode) == 0o600
    card = known_sites.find("lab")
    assert (str(card), card.own) == (told["card"], taken["private"])
    assert keys.key_id(keys.load_private(card.own, None).public_key()) == told["id"]
    users = Users(ServerLayout(str(owner.home / "root")).users)
    assert [user.id for user in users.all()] == [told["id"]]


def test_a_key_stays_under_its_password_where_that_is_asked_for(
    people: tuple[Person, Person], tmp_path: Path
) -> None:
    told = issued(people, tmp_path)
    options = ("--keep-password", "--address", "https://localhost:7999")
    taken = people[1].told("keys", "import", told["file"], *options, typed=told["password"])
    assert known_sites.find("localhost").address == "https://localhost:7999"
    with pytest.raises(keys.KeyFileError, match="nobody can be asked"):
        keys.load_private(taken["private"], None)
    assert keys.load_private(taken["private"], lambda _: told["password"])
    os.unlink(taken["private"])
    with pytest.raises(keys.KeyFileError, match="hpcbatch keys new makes one"):
        keys.load_private(taken["private"], None)


@pytest.mark.parametrize("typed", ["", "wrong\n"])
def test_another_password_takes_nothing(
    people: tuple[Person, Person], tmp_path: Path, typed: str
) -> None:
    told = issued(people, tmp_path)
    output = people[1].run("keys", "import", told["file"], status=2, typed=typed)
    assert "not the password" in output
    assert known_sites.all_known() == {}


def test_a_key_is_for_whom_it_was_made(people: tuple[Person, Person], tmp_path: Path) -> None:
    told = issued(people, tmp_path)
    text = Path(told["file"]).read_text().replace("hpcbatch-user: ", "hpcbatch-user: not-")
    Path(told["file"]).write_text(text)
    output = people[1].run("keys", "import", told["file"], status=2, typed=told["password"])
    assert "was made for not-" in output


@pytest.mark.parametrize("content", [b"", b"\xff", b"hpcbatch-user: x\n", b"x" * 100_000])
def test_what_is_no_issued_key_is_told(
    people: tuple[Person, Person], tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "odd.pem").write_bytes(content)
    assert "odd.pem" in people[1].run("keys", "import", str(tmp_path / "odd.pem"), status=2)


def test_nothing_is_overwritten_and_nobody_added_in_vain(
    people: tuple[Person, Person], tmp_path: Path
) -> None:
    owner, _ = people
    issued(people, tmp_path)
    argv = ("keys", "issue", "--user", "x", "--name", "bob", "-o")
    assert "never overwritten" in owner.run(*argv, str(tmp_path / "bob.pem"), status=2)
    owner.run(*argv, str(tmp_path / "new.pem"), "--user", "a\nb", status=2)
    owner.run(*argv, str(tmp_path / "new.pem"), "--name", "no name", status=2)
    assert not (tmp_path / "new.pem").exists()
    told = owner.run("keys", "issue", "--user", "x", "--name", "../x", status=2)
    assert "no user's name" in told, "it is also that of a file"
    assert len(owner.told("keys", "list")) == 1


def test_a_default_site(people: tuple[Person, Person]) -> None:
    _, bob = people
    card = f"https://login:7033#{keys.key_id(SLOW_KEY.public_key())}"
    assert "unknown" not in bob.run("site", "add", card)
    assert "there is no site" in bob.run("site", "default", "lgin", status=2)
    assert bob.told("site", "default", "login") == {"default": "login"}
    assert default.read() == "login"
    assert "default" in bob.run("site", "list")
    bob.run("site", "remove", "login")
    assert bob.told("site", "default") == {"default": None}
    assert known_sites.all_known() == {}
    bob.run("site", "remove", "login", status=2)


@pytest.mark.parametrize("card", ["host: 0.0.0.0", "protocol: unix", "port: 0"])
def test_a_card_tells_an_address_that_others_can_use(
    people: tuple[Person, Person], tmp_path: Path, card: str
) -> None:
    owner, bob = people
    public = Path(bob.told("keys", "new")["public"])
    file = tmp_path / "server.yaml"
    file.write_text(card)
    asked = ("keys", "add", str(public), "--name", "bob", "--settings", str(file))
    if card.startswith("host"):
        assert "://0.0.0.0" not in owner.told(*asked)["card"]
        renamed = ("keys", "add", str(public), "--name", "rob", "--settings", str(file))
        assert "This key was that of bob, who is rob from now on" in owner.run(*renamed)
    else:
        assert "hpcbatch server start" in owner.run(*asked, status=3)
        assert "bob" not in owner.run("keys", "list")


def test_a_key_whose_password_nobody_learns_does_not_stay(
    people: tuple[Person, Person], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(self: Users, *_: Any) -> Any:
        raise RegistryBusy("somebody else adds one")

    file = tmp_path / "bob.pem"
    with monkeypatch.context() as patch:
        patch.setattr(Users, "add", busy)
        asked = ("keys", "issue", "--user", "bob@host", "--name", "bob", "-o", str(file))
        people[0].run(*asked, status=5)
    assert not file.exists()
    people[0].run(*asked)
