"""What commands about keys need of a server, whether it runs or not: its users, and its card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .common import Invocation

if TYPE_CHECKING:
    from ..server.settings import ServerSettings
    from ..server.users import Users
    from ..sites.known_sites import Card


def _served(invocation: Invocation, file: str | None) -> tuple[str, ServerSettings]:
    """The registry of the server, and its settings."""
    from ..server.settings import read_settings

    settings = read_settings(file)
    return invocation.registry(settings.options.task_root).root, settings


def users_of(invocation: Invocation, file: str | None) -> Users:
    from ..server.users import Users
    from ..words.server_layout import ServerLayout

    return Users(ServerLayout(_served(invocation, file)[0]).users)


def card_of(invocation: Invocation, file: str | None) -> Card:
    """That of the server, also of one that does not run. Raises StateError where only a server that
    runs has an address."""
    from ..server.identity import Identity
    from ..sites.known_sites import Card
    from ..sites.run_file import find_run, reached_at
    from ..words.errors import StateError
    from ..words.server_layout import ServerLayout

    root, settings = _served(invocation, file)
    run = find_run(root)
    if run is not None:
        return run.card
    if settings.protocol == "unix" or not settings.port:
        raise StateError("its address is chosen when the server starts: hpcbatch server start")
    own = Identity.at(ServerLayout(root).identity)
    return Card(reached_at(settings.address)[-1], own.id)
