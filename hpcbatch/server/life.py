"""A server begins, is found, and ends. What serves is loaded by the process that does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import NamedTuple

from ..disk.files import make_folder
from ..registry.registry import Registry
from ..sites.run import Run, find_run
from ..words.errors import HpcbatchError, StateError
from ..words.layout import ServerLayout

STARTS_WITHIN = 30.0  # seconds
ENDS_WITHIN = 60.0


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


def _cancel_released(registry: Registry) -> Stopped:
    """Of tasks that came to the server; those of the command line are nobody else's business."""
    from ..use.cancel import cancel

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


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
