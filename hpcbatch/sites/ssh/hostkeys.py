"""The keys by which hosts are known: those of ~/.ssh/known_hosts, and new ones that a person has
accepted. None is accepted silently."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from paramiko import MissingHostKeyPolicy

from ...disk.files import make_folder, write_all
from ...words.errors import ServerChanged, ServerUnknown

Ask = Callable[[str, bool], "str | None"]  # words, and whether to show what is typed
SYSTEMS = "/etc/ssh/ssh_known_hosts"


def files(config: Any) -> list[str]:
    """Where known hosts are looked for; new ones go to the first. ``none`` is no file
    (ssh_config(5))."""
    own = str(config.get("userknownhostsfile", "~/.ssh/known_hosts")).split()
    return [os.path.expanduser(path) for path in own if path.lower() != "none"]


def load(client: Any, paths: Iterable[str]) -> None:
    for path in (*paths, SYSTEMS):
        if os.path.exists(path):
            client.load_system_host_keys(path)


class AskedPolicy(MissingHostKeyPolicy):  # type: ignore[misc]  # paramiko has no types
    """Asks about a host that is not known. Raises ServerUnknown."""

    def __init__(self, paths: Sequence[str], ask: Ask):
        """What is accepted is kept in the first of ``paths``, if there is one."""
        self._paths, self._ask = paths, ask

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        answer = self._ask(
            f"The host {hostname} is not known. Its {key.get_name()} key is {key.fingerprint}.\n"
            "Is that its key, as its administrators tell it? (yes/no) ",
            True,
        )
        if answer is None or answer.strip().lower() != "yes":
            why = "nobody could be asked" if answer is None else "it was not accepted"
            raise ServerUnknown(
                f"the host {hostname} is not known (its {key.get_name()} key is "
                f"{key.fingerprint}), and {why}. Nothing was sent. To accept it, run "
                "hpcbatch remote check on a terminal, or log in with ssh once"
            )
        for path in self._paths[:1]:
            remember(path, hostname, key)


def remember(path: str, hostname: str, key: Any) -> None:
    make_folder(os.path.dirname(path))
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(fd).st_size
        ends = not size or os.pread(fd, 1, size - 1) == b"\n"
        line = f"{hostname} {key.get_name()} {key.get_base64()}\n"
        write_all(fd, ("" if ends else "\n").encode() + line.encode())
    finally:
        os.close(fd)


def changed(hostname: str, found: Any, known: Any) -> ServerChanged:
    return ServerChanged(
        f"the key of the host {hostname} has changed, or somebody sits in between: it is "
        f"{found.get_name()} {found.fingerprint}, and {known.get_name()} {known.fingerprint} is "
        "known. Nothing was sent. If its administrators say that the key is new, remove the old "
        f"one with ssh-keygen -R '{hostname}'"
    )
