"""The id by which servers know this user, and the password of a key."""

from __future__ import annotations

import getpass
import os
import sys

import click


def own_id() -> str:
    from ..disk.files import read
    from ..sites import known_sites
    from ..sites.keys import key_id, load_public

    public = known_sites.public_file()
    if os.path.exists(public):
        return key_id(load_public(read(public)))
    return f"{getpass.getuser()}@{os.uname().nodename}"


def ask_password(confirm: bool = False) -> str:
    """Asked for on a terminal, else a line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=confirm, err=True))
