"""A server begins, is found, and ends. What serves is loaded by the process that does."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from typing import NamedTuple

from ..disk.files import make_folder, private_opener
from ..disk.locks import is_held
from ..registry.registry import Registry
from ..registry.root import made_root
from ..sites.run_file import Run, find_run
from ..words.errors import HpcbatchError, StateError
from ..words.server_layout import ServerLayout

STARTS_WITHIN = 30.0  # seconds
ENDS_WITHIN = 60.0


@dataclass(frozen=True)
class Serving:
    """How a server is asked for: the options of ``hpcbatch server run``."""

    host: str | None = None
    port: int | None = None
    settings: str | None = None  # a file
    insecure_http: bool = False
    i_am_alone: bool = False

    def argv(self) -> list[str]:
        """The same, for a process of its own."""
        file = None if self.settings is None else os.path.abspath(self.settings)
        argv: list[str] = []
        for name, value in {**asdict(self), "settings": file}.items():
            flag = f"--{name.replace('_', '-')}"
            if value is True:
                argv.append(flag)
            elif value is not None and value is not False:
                argv += [flag, str(value)]
        return argv


def start(registry: Registry, asked: Serving) -> Run:
    """Start a server in the background, which survives the logout. Raises StateError with the end
    of its log when it does not start."""
    layout = ServerLayout(registry.root)
    made_root(registry.root)
    make_folder(layout.folder)
    if (run := find_run(registry.root)) is not None:
        told = f"a server runs already: {run.address} (process {run.pid}, {run.host})"
        if not run.is_here:
            told += f"; if that host has gone, remove {layout.run_file}"
        raise StateError(told)
    command = [sys.executable, "-m", "hpcbatch", "--root", registry.root, "server", "run"]
    command += asked.argv()
    with open(layout.log, "ab", opener=private_opener) as log:
        begins = log.tell()
        pid = _spawned(command, log.fileno())
    give_up = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < give_up and not _has_ended(pid):
        run = find_run(registry.root)
        if run is not None and run.pid == pid:
            return run
        time.sleep(0.05)
    late = ""
    if not _has_ended(pid):
        os.killpg(pid, signal.SIGKILL)  # with its startup script
        os.waitpid(pid, 0)
        late = f"it was not ready within {STARTS_WITHIN:.0f} s. "
    with open(layout.log, "rb") as log:
        log.seek(begins)
        told = log.read().decode("utf-8", "replace").strip()
    raise StateError(f"the server did not start: {late}{told or layout.log}")


def awaited(registry: Registry) -> Run | None:
    """The server that another process starts; None where none does."""
    give_up = time.monotonic() + STARTS_WITHIN
    while is_held(ServerLayout(registry.root).lock) and time.monotonic() < give_up:
        if (run := find_run(registry.root)) is not None:
            return run
        time.sleep(0.05)
    return None


class Stopped(NamedTuple):
    """Ids of the tasks that were canceled, and what could not be."""

    canceled: list[str]
    objections: list[str]


def stop(registry: Registry, keep_running: bool = False) -> Stopped:
    """End the server; what it had released and is unfinished is canceled, unless it is to go on.
    Raises StateError."""
    run, layout = find_run(registry.root), ServerLayout(registry.root)
    if run is None:
        raise none_runs(registry.root)
    if not run.is_here:
        raise StateError(f"the server runs on {run.host}: stop it there")
    os.kill(run.pid, signal.SIGTERM)
    give_up = time.monotonic() + ENDS_WITHIN
    while is_held(layout.lock):
        if time.monotonic() > give_up:
            raise StateError(
                f"the server does not end within {ENDS_WITHIN:.0f} s: {layout.log} tells what it "
                f"does, and kill -9 {run.pid} ends it; then cancel what is not to go on"
            )
        time.sleep(0.05)
    with contextlib.suppress(ChildProcessError):  # of whoever has started it in this process
        os.waitpid(run.pid, 0)
    return Stopped([], []) if keep_running else cancel_released(registry)


def none_runs(root: str) -> StateError:
    return StateError(f"no server runs for {root}: hpcbatch server start")


def cancel_released(registry: Registry) -> Stopped:
    """The tasks that came to the server; those of the command line are nobody else's business."""
    from ..use.cancel import cancel

    stopped = Stopped([], [])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what cannot be read is told by who looks at it
        specs = registry.specs()
    for spec in specs:
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


def _spawned(command: list[str], log: int) -> int:
    """The pid of a process that outlives this one: no object here waits for it."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, log, 1),
        (os.POSIX_SPAWN_DUP2, log, 2),
    ]
    return os.posix_spawn(command[0], command, os.environ, file_actions=actions, setsid=True)


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:  # it was waited for
        return True
