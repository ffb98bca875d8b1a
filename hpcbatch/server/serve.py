"""Serves a registry until it is told to end."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn

from ..cluster.cluster import Cluster
from ..disk.files import make_folder, unlink_quietly
from ..disk.locks import held
from ..registry.registry import Registry
from ..registry.root import made_root
from ..sites.keys import ensure_private, key_id, load_private, public_pem
from ..sites.run_file import Run
from ..words.errors import ConfigError, RegistryBusy, StateError
from ..words.server_layout import ServerLayout
from .app import make_app
from .connection_limit import AT_ONCE, LimitedListener
from .lifecycle import cancel_released
from .listening import listening
from .logfile import renew_if_large
from .settings import ServerSettings
from .site import ServedSite
from .slow_clients import ImpatientProtocol
from .users import LOCAL

LOOKED_AT_EVERY = 5  # seconds, whether the log is large


def serve(
    registry: Registry,
    settings: ServerSettings,
    insecure_http: bool = False,
    i_am_alone: bool = False,
    announce: Callable[[Run], None] = lambda run: None,
) -> None:
    """Serve in the foreground until a signal ends it. ``insecure_http``: without TLS,
    ``i_am_alone``: without keys, although others may reach it. ``announce`` is called when it can
    be reached.
    Raises ConfigError, StateError."""
    _check(settings, insecure_http, i_am_alone)
    layout = ServerLayout(registry.root)
    made_root(registry.root)
    make_folder(layout.folder)
    with contextlib.ExitStack() as ends:
        try:
            ends.enter_context(held(layout.lock, 1.0))  # somebody may just be looking at it
        except RegistryBusy as error:
            raise StateError(
                f"a server runs for {registry.root} already: hpcbatch server status"
            ) from error
        unlink_quietly(layout.run_file)  # of a killed one: its process may be anybody's by now
        _run_script(settings.startup_script)
        site = ServedSite(registry, settings)
        ensure_local_user(site, layout)
        with listening(settings, registry.root) as listener:
            server = _server(site, listener.socket, layout.log)
            address, key = listener.address, site.identity.id
            run = Run(os.getpid(), os.uname().nodename, address, key, time.time())
            run.publish(layout)
            announce(run)
            try:
                server.run(sockets=[listener.socket])
            finally:
                site.releaser.end()
                if site.cancels_at_end:
                    cancel_released(registry)
                unlink_quietly(layout.run_file)


def ensure_local_user(site: ServedSite, layout: ServerLayout) -> None:
    """Whoever started the server is its admin, by a key that lies beside it."""
    if os.path.exists(layout.local_key):
        key = load_private(layout.local_key, None)
        known = site.users.get(key_id(key.public_key()))
        if known is not None and known.revoked is not None:
            os.rename(layout.local_key, f"{layout.local_key}.revoked")
    ensure_private(layout.local_key)
    key = load_private(layout.local_key, None)
    site.users.add(public_pem(key), LOCAL, admin=True, is_local=True)


def _check(settings: ServerSettings, insecure_http: bool, i_am_alone: bool) -> None:
    if settings.protocol == "http" and not insecure_http:
        raise ConfigError(
            "protocol http sends tokens for all to read, on a login node's loopback too: leave it "
            "at https, or say --insecure-http"
        )
    options = settings.options
    is_open = options.anonymous_request and "task" not in options.modules_require_auth
    if (is_open or not options.require_auth) and settings.protocol != "unix" and not i_am_alone:
        said = "anonymous_request for tasks" if is_open else "require_auth: false"
        raise ConfigError(
            f"{said} lets everybody run code here who reaches the server, on a login node's "
            "loopback too: set protocol: unix, or say --i-am-alone on this machine"
        )
    if settings.batch_cluster is not None:
        Cluster.named(settings.batch_cluster)


def _server(site: ServedSite, listener: socket.socket, log: str) -> uvicorn.Server:
    secured = {}
    if site.settings.protocol == "https":
        secured = {
            "ssl_keyfile": site.identity.key_path,
            "ssl_certfile": site.identity.certificate_path,
        }
    level = "debug" if site.settings.options.debug else "warning"
    app, door = make_app(site), listener if isinstance(listener, LimitedListener) else None
    if door is not None:
        app.state.knows = door.known
    protocol: Any = partial(ImpatientProtocol, door=door)
    config = uvicorn.Config(
        app,
        log_level=level,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
        loop="asyncio",  # another one takes connections by itself, past the door
        backlog=AT_ONCE,
        http=protocol,
        callback_notify=partial(_tend_log, log),
        timeout_notify=LOOKED_AT_EVERY,
        **secured,  # type: ignore[arg-type]
    )
    server = uvicorn.Server(config)
    app.state.is_ending = lambda: server.should_exit
    return server


async def _tend_log(path: str) -> None:
    with contextlib.suppress(OSError):  # it grows on where it cannot be renamed
        renew_if_large(path)


def _run_script(script: str) -> None:
    if script and subprocess.run(["/bin/sh", "-c", script], check=False).returncode:
        raise ConfigError(f"the startup_script failed: {script}")
