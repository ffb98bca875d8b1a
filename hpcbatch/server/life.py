"""A server begins, is found, and ends."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import uvicorn

from ..disk.files import make_folder, unlink_quietly
from ..disk.locks import held_if_free
from ..registry.registry import Registry
from ..sites.keys import load_private, new_key, private_pem, public_pem, store_once
from ..sites.run import Run, find_run
from ..use.cancel import cancel
from ..words.errors import ConfigError, HpcbatchError, StateError
from ..words.layout import ServerLayout
from .app import make_app
from .settings import Settings
from .site import ServedSite

STARTS_WITHIN = 30.0  # seconds
ENDS_WITHIN = 60.0
LOCAL = "local"  # the user who started it


def serve(registry: Registry, settings: Settings, insecure: bool = False) -> None:
    """Serve in the foreground until a signal ends it. Raises ConfigError, StateError."""
    _check(settings, insecure)
    layout = ServerLayout(registry.root)
    make_folder(layout.folder)
    with held_if_free(layout.lock) as is_free:
        if not is_free:
            raise StateError(f"a server runs for {registry.root} already: hpcbatch server status")
        _run_script(settings.startup_script)
        site = ServedSite(registry, settings)
        ensure_local_user(site, layout)
        with _listening(settings) as listener:
            port = listener.getsockname()[1]
            address = replace(settings, port=port).address
            run = Run(os.getpid(), os.uname().nodename, address, site.identity.id, time.time())
            run.publish(layout)
            try:
                _server(site).run(sockets=[listener])
            finally:
                unlink_quietly(layout.run_file)
                site.releaser.end()


def start(registry: Registry, argv: list[str]) -> Run:
    """Start a server in the background, which survives the logout. ``argv`` are the options of
    ``hpcbatch server run``. Raises StateError with the end of its log when it does not start."""
    layout = ServerLayout(registry.root)
    make_folder(layout.folder)
    if (run := find_run(registry.root)) is not None:
        raise StateError(f"a server runs already: {run.address} (process {run.pid}, {run.host})")
    command = [sys.executable, "-m", "hpcbatch", "--root", registry.root, "server", "run", *argv]
    with open(layout.log, "ab", opener=_private) as log:
        begins = log.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    give_up = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < give_up and process.poll() is None:
        run = find_run(registry.root)
        if run is not None and run.pid == process.pid:
            return run
        time.sleep(0.05)
    process.kill()
    process.wait()
    with open(layout.log, "rb") as log:
        log.seek(begins)
        told = log.read().decode("utf-8", "replace").strip()
    raise StateError(f"the server did not start: {told or layout.log}")


class Stopped(NamedTuple):
    """Ids of the tasks that were canceled, and what could not be."""

    canceled: list[str]
    objections: list[str]


def stop(registry: Registry, keep_running: bool = False) -> Stopped:
    """End the server; what it had released and is unfinished is canceled, unless it is to go on.
    Raises StateError."""
    run = find_run(registry.root)
    if run is None:
        raise StateError(f"no server runs for {registry.root}")
    if not run.is_here:
        raise StateError(f"the server runs on {run.host}: stop it there")
    os.kill(run.pid, signal.SIGTERM)
    give_up = time.monotonic() + ENDS_WITHIN
    while find_run(registry.root) is not None:
        if time.monotonic() > give_up:
            raise StateError(f"the server (process {run.pid}) does not end")
        time.sleep(0.05)
    return Stopped([], []) if keep_running else _cancel_released(registry)


def ensure_local_user(site: ServedSite, layout: ServerLayout) -> None:
    """Whoever started the server is its admin, by a key that lies beside it."""
    if not os.path.exists(layout.local_key):
        store_once(layout.local_key, private_pem(new_key(), None))
    key = load_private(layout.local_key, None)
    site.users.add(public_pem(key), LOCAL, admin=True)


def _cancel_released(registry: Registry) -> Stopped:
    """Of tasks that came to the server; those of the command line are nobody else's business."""
    stopped = Stopped([], [])
    for spec in registry.specs():
        if not spec.owner:
            continue
        try:
            done = cancel(registry, spec.id)
        except HpcbatchError as error:
            stopped.objections.append(f"{spec.id}: {error}")
        else:
            stopped.canceled.extend([spec.id] if done.jobs else [])
            stopped.objections.extend(f"{spec.id}: {told}" for told in done.objections)
    return stopped


def _check(settings: Settings, insecure: bool) -> None:
    if settings.protocol == "http" and not insecure:
        raise ConfigError(
            "protocol http sends tokens for all to read, on a login node's loopback too: leave it "
            "at https, or say --insecure-http"
        )
    if not settings.options.require_auth:
        raise ConfigError("require_auth: false is not there yet: whoever may come in needs a key")


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """Raises ConfigError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            why = error.strerror or str(error)
            if error.errno == errno.EADDRINUSE:
                why = "something else listens there; --port 0 takes any that is free"
            raise ConfigError(f"cannot listen at {settings.address}: {why}") from error
        yield listener


def _server(site: ServedSite) -> uvicorn.Server:
    secured = {}
    if site.settings.protocol == "https":
        secured = {
            "ssl_keyfile": site.identity.key_path,
            "ssl_certfile": site.identity.certificate_path,
        }
    level = "debug" if site.settings.options.debug else "warning"
    config = uvicorn.Config(
        make_app(site),
        log_level=level,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
        **secured,  # type: ignore[arg-type]
    )
    return uvicorn.Server(config)


def _run_script(script: str) -> None:
    if script and subprocess.run(["/bin/sh", "-c", script], check=False).returncode:
        raise ConfigError(f"the startup_script failed: {script}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
