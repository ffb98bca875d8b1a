"""A server begins, is found and ends from Python."""

from __future__ import annotations

import atexit
from dataclasses import dataclass
from functools import partial

from ..registry.registry import Registry
from ..sites.run_file import Run, find_run
from ..words.errors import StateError
from . import lifecycle
from .settings import DEFAULT_HOST, DEFAULT_PORT, read_settings


@dataclass
class _Place:
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT


_usual = _Place()  # of servers that this process starts
_closing: set[str] = set()  # registries whose server ends with this process


def default_host(host: str | None = None) -> str:
    """Where servers that this process starts listen; or, with ``host``, will listen."""
    if host is not None:
        _usual.host = host
    return _usual.host


def default_port(port: int | None = None) -> int:
    """Likewise; 0 is any that is free."""
    if port is not None:
        _usual.port = port
    return _usual.port


def start_server(
    host: str | None = None,
    port: int | None = None,
    settings: str | None = None,
    root: str | None = None,
    *,
    insecure_http: bool = False,
    i_am_alone: bool = False,
) -> Run:
    """Start a server for a registry (by default one's own) in the background, which outlives this
    process. ``settings`` is a file, see ``hpcbatch server sample-settings``; ``host`` and ``port``
    win over it. Returns what is known of it: ``pid``, ``host``, ``address``, ``card``.

    Raises ConfigError, StateError with what its log says when it does not start.
    """
    if settings is None:
        host, port = host or default_host(), default_port() if port is None else port
    asked = lifecycle.Serving(host, port, settings, insecure_http, i_am_alone)
    return lifecycle.start(_registry(root, settings), asked)


def ensure_server(
    host: str | None = None,
    port: int | None = None,
    settings: str | None = None,
    root: str | None = None,
) -> Run:
    """The server that runs, or a new one; another process may be starting it now. Raises what
    ``start_server`` does."""
    registry = _registry(root, settings)
    if (run := find_run(registry.root)) is not None:
        return run
    try:
        return start_server(host, port, settings, root)
    except StateError:
        if (run := lifecycle.awaited(registry)) is None:
            raise
        return run


def server_alive(root: str | None = None) -> bool:
    """Whether a server runs for the registry."""
    return find_run(Registry(root).root) is not None


def kill_server(root: str | None = None, *, keep_running: bool = False) -> bool:
    """End the server of the registry; whether there was one. What it had released and is unfinished
    is canceled, unless ``keep_running``. Raises StateError for one that does not end."""
    registry = Registry(root)
    if find_run(registry.root) is None:
        return False
    lifecycle.stop(registry, keep_running)
    return True


def autoclose_server(auto_close: bool = True, root: str | None = None) -> None:
    """Whether the server of the registry ends, as by ``kill_server``, when this process does."""
    own = Registry(root).root
    if auto_close and own not in _closing:
        atexit.register(partial(_close, own))
    (_closing.add if auto_close else _closing.discard)(own)


def _close(root: str) -> None:
    if root in _closing:
        kill_server(root)


def _registry(root: str | None, settings: str | None) -> Registry:
    return Registry(root or read_settings(settings).options.task_root or None)
