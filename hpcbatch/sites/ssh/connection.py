"""A connection by fabric: ~/.ssh/config, jump hosts, agents, keys; what a person must be asked."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import fabric
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
from .address import Address
from .hostkeys import Ask

CONNECTS_WITHIN = 15.0  # seconds
LOGS_IN_WITHIN = 120.0  # seconds: somebody may have to look at a telephone
OPENS_WITHIN = 20.0  # seconds that a connection which stands may take for a new channel
AT_ONCE = 8  # channels; sshd allows ten (MaxSessions)
TRIES = 3  # of a password
# seconds after which a silent network counts as lost, as the kernel probes it
PROBES = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 35_000}

Made = TypeVar("Made")


class Connection:
    """To the host of ``address``; made when it is first used, and anew when it was lost."""

    def __init__(self, address: Address):
        self._address = address
        self._lock = threading.Lock()
        self._hop: fabric.Connection | None = None
        self.slots = threading.BoundedSemaphore(AT_ONCE)

    def session(self, ask: Ask) -> paramiko.Channel:
        """A channel for one command. Raises SiteUnreachable, ServerUnknown, ServerChanged,
        AccessDenied."""
        return self._channel(lambda t: t.open_session(timeout=OPENS_WITHIN), ask)

    def direct(self, host: str, port: int, ask: Ask) -> paramiko.Channel:
        """A channel to a port that the login node reaches. Raises as ``session``."""
        where = (host, port), ("127.0.0.1", 0)
        return self._channel(
            lambda t: t.open_channel("direct-tcpip", *where, timeout=OPENS_WITHIN), ask
        )

    @property
    def is_connected(self) -> bool:
        hop = self._hop
        return bool(hop is not None and hop.is_connected)

    def close(self) -> None:
        hop, self._hop = self._hop, None
        if hop is not None:
            for each in _chain(hop):
                each.close()

    def _channel(self, opened: Callable[[paramiko.Transport], Made], ask: Ask) -> Made:
        for is_fresh in (False, True):
            with self._lock:
                if not self.is_connected:
                    self.close()
                    self._hop = _connected(self._address, ask)
                    is_fresh = True
                assert self._hop is not None
                transport = self._hop.transport
            try:
                return opened(transport)
            except paramiko.ChannelException as error:
                raise SiteUnreachable(f"{self._address.login} opens no channel: {error}") from error
            except (SSHException, EOFError, OSError) as error:
                self.close()  # it looked alive, as after the laptop has slept
                if is_fresh:
                    raise SiteUnreachable(
                        f"the connection to {self._address.login} was lost: {_said(error)}"
                    ) from error
        raise AssertionError("a fresh connection opens a channel or raises")


def _connected(address: Address, ask: Ask) -> fabric.Connection:
    try:
        hop = fabric.Connection(address.host, user=address.user or None, port=address.port)
    except (ValueError, OSError, paramiko.ConfigParseError) as error:
        raise SiteUnreachable(f"{address.login}: ~/.ssh/config cannot be used: {error}") from error
    chain = _chain(hop)
    try:
        for each in reversed(chain):
            _open(each, ask)
    except BaseException:
        for each in chain:
            each.client.close()
        raise
    for each in chain:
        each.transport.set_keepalive(30)
        _probe(each.transport.sock)
    return hop


def _chain(hop: Any) -> Sequence[Any]:
    """The connection and the jump hosts before it, the nearest to us last."""
    found = []
    while isinstance(hop, fabric.Connection):
        found.append(hop)
        hop = hop.gateway
    return found


def _open(hop: Any, ask: Ask) -> None:
    paths = hostkeys.files(hop.ssh_config)
    hostkeys.load(hop.client, paths)
    hop.client.set_missing_host_key_policy(hostkeys.AskedPolicy(paths[0], ask))
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
            secret = _asked(ask, f"passphrase of your SSH key for {where}: ", where)
            hop.connect_kwargs["passphrase"] = secret
            hop.open()
    except BadHostKeyException as error:
        name = error.hostname if hop.port == 22 else f"[{error.hostname}]:{hop.port}"
        raise hostkeys.changed(name, error.key, error.expected_key) from error
    except (socket.gaierror, NoValidConnectionsError, OSError, EOFError) as error:
        raise SiteUnreachable(_no_route(hop, error)) from error
    except SSHException as error:
        _answer_questions(hop, ask, error)


def _answer_questions(hop: Any, ask: Ask, error: SSHException) -> None:
    """Log in by what a person knows, where no key was taken."""
    transport, where = hop.client.get_transport(), f"{hop.user}@{hop.host}"
    if transport is None or not transport.is_active() or not transport.initial_kex_done:
        raise SiteUnreachable(_no_route(hop, error)) from error
    denied = AccessDenied(
        f"{where} lets nobody in by the keys that are offered ({error}): is the user name right, "
        "and is your public key in ~/.ssh/authorized_keys there?"
    )
    for _ in range(TRIES):
        try:
            _log_in(transport, hop.user, where, ask, denied)
        except BadAuthenticationType as refused:
            raise denied from refused
        except AuthenticationException as refused:
            if not transport.is_active():
                raise denied from refused
        except (SSHException, EOFError, OSError) as lost:
            raise SiteUnreachable(_no_route(hop, lost)) from lost
        else:
            hop.transport = transport
            return
    raise denied from error


def _log_in(transport: Any, user: str, where: str, ask: Ask, denied: HpcbatchError) -> None:
    try:
        transport.auth_none(user)
        return
    except BadAuthenticationType as told:
        allowed = told.allowed_types
    if "keyboard-interactive" in allowed:
        transport.auth_interactive(user, _handler(where, ask))
    elif "password" in allowed:
        secret = _asked(ask, f"password of {where}: ", where)
        transport.auth_password(user, secret, fallback=False)
    else:
        raise denied


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


def _probe(sock: Any) -> None:
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in PROBES.items():
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _no_route(hop: Any, error: BaseException) -> str:
    place = f"{hop.host}:{hop.port}"
    if isinstance(error, socket.gaierror):
        return f"there is no host {hop.host!r} on this network: {error.strerror}"
    if isinstance(error, NoValidConnectionsError):
        said = "; ".join(sorted({os.strerror(e.errno) for e in error.errors.values() if e.errno}))
        return f"no route to {place}: {said}. Is it up, and is a VPN or a jump host needed?"
    if isinstance(error, TimeoutError):
        return f"no route to {place}: no answer. Is it up, and is a VPN or a jump host needed?"
    return f"{place} did not let a connection be made: {_said(error)}"


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
