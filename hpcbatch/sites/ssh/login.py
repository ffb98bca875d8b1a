"""How one is let in by a host: keys, agents, and what a person must be asked."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import paramiko
from paramiko.ssh_exception import (
    AuthenticationException,
    BadAuthenticationType,
    BadHostKeyException,
    NoValidConnectionsError,
    PasswordRequiredException,
    SSHException,
)

from ...words.errors import AccessDenied, HpcbatchError, SiteUnreachable
from . import hostkeys
from .hostkeys import Ask

CONNECTS_WITHIN = 15.0  # seconds
LOGS_IN_WITHIN = 120.0  # seconds: somebody may have to look at a telephone
TRIES = 3  # of a password


def open_hop(hop: Any, ask: Ask) -> None:
    paths = hostkeys.files(hop.ssh_config)
    hostkeys.load(hop.client, paths)
    hop.client.set_missing_host_key_policy(hostkeys.AskedPolicy(paths, ask))
    hop.connect_timeout = int(hop.connect_timeout or CONNECTS_WITHIN)
    only_named = hop.ssh_config.get("identitiesonly", "no") == "yes"
    named = hop.connect_kwargs.get("key_filename") or []
    hop.connect_kwargs = {
        **hop.connect_kwargs,
        # ssh, too, goes on without those that are not there
        "key_filename": [path for path in named if os.path.exists(path)],
        "transport_factory": _asking_transport(hop, ask),
        "auth_timeout": LOGS_IN_WITHIN,
        "allow_agent": not only_named,
        "look_for_keys": not only_named,
    }
    where = f"{hop.user}@{hop.host}"
    try:
        try:
            hop.open()
        except PasswordRequiredException:
            _open_with_passphrase(hop, ask, where)
    except BadHostKeyException as error:
        name = error.hostname if hop.port == 22 else f"[{error.hostname}]:{hop.port}"
        raise hostkeys.changed(name, error.key, error.expected_key) from error
    except (socket.gaierror, NoValidConnectionsError, OSError, EOFError) as error:
        raise SiteUnreachable(no_route(hop, error)) from error
    except SSHException as error:
        _answer_questions(hop, ask, error)


def _open_with_passphrase(hop: Any, ask: Ask, where: str) -> None:
    for is_last in (*[False] * (TRIES - 1), True):
        secret = _asked(ask, f"passphrase of your SSH key for {where}: ", where)
        hop.connect_kwargs["passphrase"] = secret
        try:
            hop.open()
            return
        except AuthenticationException:  # the key was read, and is not taken
            raise
        except SSHException:
            if is_last or not _is_connected(hop):
                raise


def _is_connected(hop: Any) -> bool:
    transport = hop.client.get_transport()
    return bool(transport and transport.is_active() and transport.initial_kex_done)


def _answer_questions(hop: Any, ask: Ask, error: SSHException) -> None:
    """Log in by what a person knows, where no key was taken."""
    transport, where = hop.client.get_transport(), f"{hop.user}@{hop.host}"
    if not _is_connected(hop):
        raise SiteUnreachable(no_route(hop, error)) from error
    denied = AccessDenied(
        f"{where} lets nobody in by the keys that are offered ({error}): is the user name right, "
        "and is your public key in ~/.ssh/authorized_keys there?"
    )
    wrong = AccessDenied(f"{where} does not take that password or code")
    for _ in range(TRIES):
        try:
            _log_in(hop, transport, where, ask, denied)
        except BadAuthenticationType as refused:
            raise denied from refused
        except AuthenticationException as refused:
            if not transport.is_active():
                raise wrong from refused
        except (SSHException, EOFError, OSError) as lost:
            raise SiteUnreachable(no_route(hop, lost)) from lost
        else:
            hop.transport = transport
            return
    raise wrong from error


def _log_in(hop: Any, transport: Any, where: str, ask: Ask, denied: HpcbatchError) -> None:
    try:
        transport.auth_none(hop.user)
        return
    except BadAuthenticationType as told:
        allowed = told.allowed_types
    if "keyboard-interactive" in allowed and _may(hop, "kbdinteractive"):
        transport.auth_interactive(hop.user, _handler(where, ask))
    elif "password" in allowed and _may(hop, "password"):
        secret = _asked(ask, f"password of {where}: ", where)
        transport.auth_password(hop.user, secret, fallback=False)
    else:
        raise denied


def _may(hop: Any, way: str) -> bool:
    """Whether ~/.ssh/config lets a person be asked so."""
    return bool(hop.ssh_config.get(f"{way}authentication", "yes") != "no")


def _asking_transport(hop: Any, ask: Ask) -> Any:
    """A second factor, behind a key that was taken, is asked for as anything else."""

    class Asking(paramiko.Transport):  # type: ignore[misc]
        def auth_interactive_dumb(
            self, username: str, handler: Any = None, submethods: str = ""
        ) -> Any:
            asked = handler or _handler(f"{username}@{hop.host}", ask)
            return self.auth_interactive(username, asked, submethods)

    return Asking


def _handler(where: str, ask: Ask) -> Callable[[str, str, list[tuple[str, bool]]], list[str]]:
    def answers(title: str, instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
        about = "\n".join(text.strip() for text in (title, instructions) if text.strip())
        words = [f"{about}\n{where}: {prompt}".lstrip() for prompt, _ in prompts]
        return [
            _asked(ask, word, where, shown) for word, (_, shown) in zip(words, prompts, strict=True)
        ]

    return answers


def _asked(ask: Ask, words: str, where: str, shown: bool = False) -> str:
    answer = ask(words, shown)
    if answer is None:
        raise AccessDenied(
            f"{where} asks for a password or code, and nobody can be asked: run hpcbatch remote "
            "check on a terminal first, whose connection is kept for some minutes"
        )
    return answer


def no_route(hop: Any, error: BaseException) -> str:
    address = f"{hop.host}:{hop.port}"
    if isinstance(error, socket.gaierror):
        return f"there is no host {hop.host!r} on this network: {error.strerror}"
    if isinstance(error, NoValidConnectionsError):
        why = "; ".join(sorted({os.strerror(e.errno) for e in error.errors.values() if e.errno}))
        return f"no route to {address}: {why}. Is it up, and is a VPN or a jump host needed?"
    if isinstance(error, TimeoutError):
        return f"no route to {address}: no answer. Is it up, and is a VPN or a jump host needed?"
    return f"{address} did not let a connection be made: {said(error)}"


def said(error: BaseException) -> str:
    return str(error) or type(error).__name__
