"""keys: one's own, and those that a server knows."""

from __future__ import annotations

import os

import click

from .common import Invocation, common_here, completed, here_options, print_json, say
from .formatting import clock
from .key_places import card_of, users_of
from .own_key import ask_password, own_id
from .tables import print_table

settings_option = click.option(
    "--settings",
    metavar="FILE",
    shell_complete=completed("files"),
    help="What the server was started with, if that names a task_root.",
)


@click.group("keys")
@here_options
def keys() -> None:
    """Your key, and the keys that a server knows.

    Whoever uses a server runs new, whoami and import, and takes the server's card with hpcbatch
    site add. Whoever runs it lets them in with add or issue, on its machine, whether it runs or
    not; list and revoke are for its owner, too.

    \b
    Examples:
      hpcbatch keys new                         # on the laptop: a pair; the public half is a file
      hpcbatch keys add alice.pub --name alice  # on the server: prints a card for alice
      hpcbatch site add CARD                    # on the laptop
      hpcbatch keys issue --user ID --name bob  # or: the server makes the pair, under a password
      hpcbatch keys import bob.pem              # at bob's
    """


@keys.command("new")
@click.option("--password", is_flag=True, help="Ask for a password, which each use then needs.")
@common_here
def new(invocation: Invocation, password: bool) -> None:
    """Make a pair of keys. The private half stays in its file, of mode 0600.

    \b
    Examples:
      hpcbatch keys new
      hpcbatch keys new --password
    """
    from ..disk.files import publish
    from ..sites import known_sites
    from ..sites.keys import key_id, new_key, public_pem, store_private

    word = ask_password(confirm=True) if password else None
    path, key = known_sites.key_file(), new_key()
    store_private(path, key, word)
    public = known_sites.public_file()
    publish(public, public_pem(key))
    if invocation.json:
        print_json({"id": key_id(key.public_key()), "private": path, "public": public})
        return
    click.echo(key_id(key.public_key()))
    say(f"The public half is {public}: have it added on the server with hpcbatch keys add.")


@keys.command("whoami", short_help="Print the id by which servers know you.")
@common_here
def whoami(invocation: Invocation) -> None:
    """Print the id by which servers know this user: that of the own key, or a name without one.

    Whoever started a server is known to it as local, on its machine, and needs neither.

    \b
    Examples:
      hpcbatch keys whoami
    """
    own = own_id()
    print_json({"id": own}) if invocation.json else click.echo(own)


@keys.command("add", short_help="Let in who has the other half of FILE.pub.")
@click.argument("file", metavar="FILE.pub", shell_complete=completed("files"))
@settings_option
@click.option("--name", required=True, help="Of the user, on this server.")
@click.option("--admin", is_flag=True, help="May see and end everybody's tasks, and the server.")
@common_here
def add(invocation: Invocation, file: str, settings: str | None, name: str, admin: bool) -> None:
    """Let in whoever has the private half of FILE.pub. Prints the card of this server.

    \b
    Examples:
      hpcbatch keys add alice.pub --name alice
      hpcbatch keys add alice.pub --name alice --admin
    """
    from ..disk.files import read
    from ..sites.keys import load_public

    load_public(pem := read(file), file)
    card = str(card_of(invocation, settings))
    users = users_of(invocation, settings)
    before = {each.id: each.name for each in users.all()}
    user = users.add(pem, name, admin)
    if invocation.json:
        print_json({"id": user.id, "name": user.name, "admin": user.admin, "card": card})
        return
    if before.get(user.id, name) != name:
        say(f"This key was that of {before[user.id]}, who is {name} from now on.")
    click.echo(card)
    say(f"{user.name} ({user.id}) may come in. Tell them: hpcbatch site add '{card}'")


@keys.command("issue")
@click.option("--user", required=True, metavar="ID", help="What keys whoami printed at the user's.")
@click.option("--name", required=True, help="Of the user, on this server.")
@click.option("--admin", is_flag=True, help="May see and end everybody's tasks, and the server.")
@click.option(
    "--output", "-o", metavar="FILE", shell_complete=completed("files"), help="[default: NAME.pem]"
)
@settings_option
@common_here
def issue(
    invocation: Invocation,
    user: str,
    name: str,
    admin: bool,
    output: str | None,
    settings: str | None,
) -> None:
    """Make a key for a user. Its password is printed once: tell it by another way than the file.

    \b
    Examples:
      hpcbatch keys issue --user ID --name bob
    """
    import secrets

    from ..disk.files import unlink_quietly
    from ..server.users import check_name
    from ..sites.issued_keys import IssuedKey
    from ..sites.keys import new_key, private_pem, public_pem, store_once
    from ..words.errors import KeyFileError

    check_name(name)
    key, password = new_key(), secrets.token_urlsafe(15)
    card, path = card_of(invocation, settings), os.path.abspath(output or f"{name}.pem")
    content = IssuedKey(user, card, private_pem(key, password)).to_bytes()
    if not store_once(path, content):
        raise KeyFileError(f"there is a file {path} already: a key is never overwritten")
    try:
        added = users_of(invocation, settings).add(public_pem(key), name, admin)
    except BaseException:  # nobody is told its password
        unlink_quietly(path)
        raise
    if invocation.json:
        told = {"id": added.id, "name": added.name, "admin": added.admin, "card": str(card)}
        print_json({**told, "file": path, "password": password})
        return
    click.echo(password)
    say(f"That is the password of {path}, which {name} takes with hpcbatch keys import.")


@keys.command("import")
@click.argument("file", metavar="FILE.pem", shell_complete=completed("files"))
@click.option("--name", help="Of the server, for --site [default: that of its host].")
@click.option("--address", help="Of the server, where a tunnel leads to it.")
@click.option("--keep-password", is_flag=True, help="Each use asks for it.")
@common_here
def import_key(
    invocation: Invocation, file: str, name: str | None, address: str | None, keep_password: bool
) -> None:
    """Take a key that a server made. Asks for its password, or reads it from standard input.

    \b
    Examples:
      hpcbatch keys import bob.pem
      hpcbatch keys import bob.pem --name lab --address https://localhost:7033
    """
    from dataclasses import replace

    from ..sites import known_sites
    from ..sites.issued_keys import IssuedKey
    from ..sites.keys import key_id, opened, private_pem, store_once
    from ..words.errors import KeyFileError

    issued, own = IssuedKey.read(file), own_id()
    if issued.user != own:
        raise KeyFileError(f"{file} was made for {issued.user}, and this is {own}")
    password = ask_password()
    key = opened(issued.pem, password, file)
    card = known_sites.Card.read(f"{address}#{issued.card.key}") if address else issued.card
    name = known_sites.checked_name(name or card.host)
    path = known_sites.issued_key_file(name)
    if not store_once(path, private_pem(key, password if keep_password else None)):
        raise KeyFileError(f"there is a key {path} already: choose another --name")
    known_sites.add(replace(card, own=path), name)
    if invocation.json:
        print_json({"id": key_id(key.public_key()), "name": name, "private": path})
    else:
        say(f"{name} is {card.address}: hpcbatch list --site {name}")


@keys.command("list")
@settings_option
@common_here
def list_keys(invocation: Invocation, settings: str | None) -> None:
    """List the users of this server.

    \b
    Examples:
      hpcbatch keys list
    """
    found = users_of(invocation, settings).all()
    if invocation.json:
        told = [(u.id, u.name, u.admin, u.added, u.revoked) for u in found]
        names = ("id", "name", "admin", "added", "revoked")
        print_json([dict(zip(names, each, strict=True)) for each in told])
        return
    rows = [
        [u.name, "admin" if u.admin else "", clock(u.added), clock(u.revoked),
         u.id] for u in found
    ]  # fmt: skip
    print_table(("name", "", "added", "revoked", "id"), rows, spare=("id", "added"))


@keys.command("revoke", short_help="Let a user in no more.")
@click.argument("user", metavar="USER")
@settings_option
@common_here
def revoke(invocation: Invocation, user: str, settings: str | None) -> None:
    """Let USER, a name or an id, in no more: at once, and for good. What waits is not released;
    what runs goes on until it is canceled.

    \b
    Examples:
      hpcbatch keys revoke alice
    """
    revoked = users_of(invocation, settings).revoke(user)
    if invocation.json:
        print_json({"id": revoked.id, "name": revoked.name, "revoked": revoked.revoked})
    else:
        say(f"{revoked.name} ({revoked.id}) comes in no more.")
