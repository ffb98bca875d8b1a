"""keys and site: who may come to a server, and which servers one knows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from .common import Setting, common, global_options, print_json, say
from .tables import print_table
from .text import clock

if TYPE_CHECKING:
    from ..server.users import Users


@click.group("keys")
@global_options
def keys() -> None:
    """Your key, and the keys that a server knows.

    \b
    Examples:
      hpcbatch keys new                         # on the laptop: a pair; the public half is a file
      hpcbatch keys add alice.pub --name alice  # on the server: prints a card for alice
      hpcbatch site add CARD                    # on the laptop
    """


@keys.command("new")
@click.option("--password", is_flag=True, help="Ask for a password, which each use then needs.")
@common
def new(setting: Setting, password: bool) -> None:
    """Make a pair of keys. The private half stays in its file, of mode 0600."""
    from ..disk.files import publish
    from ..sites import known
    from ..sites.keys import key_id, new_key, public_pem, store_private

    word = None
    if password:
        word = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    path, key = known.key_file(), new_key()
    store_private(path, key, word)
    public = known.public_file()
    publish(public, public_pem(key))
    if setting.json:
        print_json({"id": key_id(key.public_key()), "private": path, "public": public})
        return
    click.echo(key_id(key.public_key()))
    say(f"The public half is {public}: have it added on the server with hpcbatch keys add.")


@keys.command("whoami")
@common
def whoami(setting: Setting) -> None:
    """Print the id by which servers know this user."""
    from ..disk.files import read
    from ..sites import known
    from ..sites.keys import key_id, load_public
    from ..words.errors import KeyFileError

    public = known.public_file()
    if not os.path.exists(public):
        raise KeyFileError(f"there is no key {public}: hpcbatch keys new makes a pair")
    own = key_id(load_public(read(public)))
    print_json({"id": own}) if setting.json else click.echo(own)


@keys.command("add")
@click.argument("file", metavar="FILE.pub")
@click.option("--name", required=True, help="Of the user, on this server.")
@click.option("--admin", is_flag=True, help="May see and end everybody's tasks, and the server.")
@common
def add(setting: Setting, file: str, name: str, admin: bool) -> None:
    """Let in whoever has the private half of FILE.pub. Prints the card of this server."""
    from ..disk.files import read

    user = _users(setting).add(read(file), name, admin)
    card = _card(setting)
    if setting.json:
        print_json({"id": user.id, "name": user.name, "admin": user.admin, "card": card})
        return
    click.echo(card)
    say(f"{user.name} ({user.id}) may come in, and runs there: hpcbatch site add '{card}'")


@keys.command("list")
@common
def list_keys(setting: Setting) -> None:
    """List the users of this server."""
    found = _users(setting).all()
    if setting.json:
        told = [(u.id, u.name, u.admin, u.added, u.revoked) for u in found]
        names = ("id", "name", "admin", "added", "revoked")
        print_json([dict(zip(names, each, strict=True)) for each in told])
        return
    rows = [
        [u.name, "admin" if u.admin else "", clock(u.added), clock(u.revoked),
         u.id] for u in found
    ]  # fmt: skip
    print_table(("name", "", "added", "revoked", "id"), rows)


@keys.command("revoke")
@click.argument("user", metavar="USER")
@common
def revoke(setting: Setting, user: str) -> None:
    """Let USER, a name or an id, in no more: at once, and for good."""
    revoked = _users(setting).revoke(user)
    if setting.json:
        print_json({"id": revoked.id, "name": revoked.name, "revoked": revoked.revoked})
    else:
        say(f"{revoked.name} ({revoked.id}) comes in no more.")


@click.group("site")
@global_options
def site() -> None:
    """Sites that you know, for --site.

    \b
    Examples:
      hpcbatch site add 'https://login:7033#…' --name lab
      hpcbatch list --site lab
    """


@site.command("add")
@click.argument("card", metavar="CARD")
@click.option("--name", help="A short one for --site [default: that of its host].")
@common
def add_site(setting: Setting, card: str, name: str | None) -> None:
    """Remember a server by its card, which its owner gets from keys add or server status; or a
    login node by its address, such as ssh://me@login."""
    from ..sites import known

    read = known.Card.read(card)
    name = name or str(urlsplit(read.address).hostname)
    known.add(read, name)
    if setting.json:
        print_json({"name": name, "address": read.address, "key": read.key})
    else:
        say(f"{name} is {read.address}: hpcbatch list --site {name}")


@site.command("list")
@common
def list_sites(setting: Setting) -> None:
    """List the sites that you know."""
    from ..sites import known

    found = known.all_known()
    if setting.json:
        print_json({name: {"address": c.address, "key": c.key} for name, c in found.items()})
        return
    print_table(("name", "address", "key"), [[name, c.address, c.key] for name, c in found.items()])


def _users(setting: Setting) -> Users:
    from ..server.users import Users
    from ..words.layout import ServerLayout

    return Users(ServerLayout(setting.registry().root).users)


def _card(setting: Setting) -> str:
    """That of the server, also of one that does not run."""
    from ..server.identity import Identity
    from ..server.settings import Settings
    from ..sites.known import Card
    from ..sites.run import find_run
    from ..words.layout import ServerLayout

    root = setting.registry().root
    run = find_run(root)
    own = Identity.at(ServerLayout(root).identity)
    return str(run.card if run else Card(Settings().address, own.id))
