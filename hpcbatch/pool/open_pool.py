"""A pool that is open: its folder, its door, its broker and its workers."""

from __future__ import annotations

import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from ..disk.files import unlink_quietly
from ..disk.open_files import allow_open_files
from ..words.door import Door
from ..words.errors import PoolClosed, PoolError
from ..words.text import counted
from ..words.version import VERSION
from ..worker import wire
from . import folder
from .broker import Broker
from .check import Check, check
from .deployment import Deployment, HereDeployment
from .dispatch import Dispatch
from .event_loop import EventLoop
from .import_paths import own_import_paths
from .launching import ENDED, Launching
from .settings import PoolSettings
from .summary import Summary
from .task import PoolTask, Result

log = logging.getLogger("hpcbatch.pool")

OWN_FILES, FILES = 2048, 4  # open ones: of the user's program, and for each worker behind a relay


class OpenPool:
    def __init__(
        self,
        name: str,
        settings: PoolSettings,
        dispatch: Dispatch,
        forgotten: deque[int],
        resolve: Callable[[PoolTask, Result], None],
    ):
        self._settings, self._dispatch, self._leaves = settings, dispatch, False
        deployment = _deployment(settings)
        allow_open_files(OWN_FILES + FILES * settings.workers)
        endpoint = deployment.endpoint
        self.layout, self.record = folder.make_pool(
            name, settings.cluster, settings.workers, VERSION
        )
        with contextlib.ExitStack() as undo:
            undo.callback(lambda: folder.close_pool(self.layout, self.record))
            self.broker = Broker(
                name, self.layout.id, dispatch, forgotten, settings.heartbeat, resolve
            )
            undo.callback(self.broker.close)
            self.loop = EventLoop(self.broker, self._scale)
            port = self.broker.listening.bind(
                endpoint.bind, settings.port if settings.site is None else 0
            )
            door = self._door(endpoint.addresses(port), deployment.seconds)
            undo.callback(deployment.close)
            seen = deployment.open(name, door, port, lambda why: self.loop.fail(PoolError(why)))
            self.record = deployment.recorded(self.record)
            folder.write_record(self.layout, self.record)
            launcher = deployment.launcher(self.layout)
            folder.write_door(self.layout, door)
            undo.pop_all()
        self._give_up, self._logs = deployment.give_up, deployment.logs(self.layout)
        self._addresses = tuple(seen.addresses)
        self.launching = Launching(
            name,
            self.layout,
            launcher,
            partial(deployment.call, self.layout),
            settings.workers,
            settings.seconds_launch,
            self._logs,
            self._end,
        )
        self.launching.start(settings.workers)
        self.loop.start()

    def _end(self, why: str) -> None:
        """Without whoever has it."""
        if not self._leaves:
            self.loop.fail(PoolClosed(why))

    def _scale(self, tasks: int) -> None:
        if folder.was_ended(self.layout):
            self._end(ENDED)
        came = [self._dispatch.came.popleft() for _ in range(len(self._dispatch.came))]
        self.launching.tell(tasks, len(self._dispatch.workers), came)

    def summary(self) -> Summary:
        with self.broker.lock:
            workers = [
                {
                    "worker": worker.name,
                    "host": worker.about.get("host"),
                    "pid": worker.about.get("pid"),
                    "tasks": worker.done,
                    "seconds": worker.seconds,
                    "held": len(worker.held),
                }
                for worker in self._dispatch.workers.values()
            ]
        return Summary(workers, self.launching.report())

    def check(self, timeout: float) -> Check:
        return check(
            self._logs,
            self._addresses,
            partial(self.launching.launch, 1),
            self.launching.failure,
            self._checked,
            timeout,
        )

    def _checked(self, number: int) -> dict[str, Any] | None:
        """What a worker of that launch said of itself when it came; it is sent away again."""
        with self.broker.lock:
            for worker in self._dispatch.workers.values():
                if worker.about.get("launch") == number:
                    self.broker.send(worker, wire.RETIRE, b"")
                    return dict(worker.about)
        return None

    def why_empty(self) -> str:
        """Why no worker could be launched, where none is here; else nothing."""
        return "" if self._dispatch.workers else str(self.launching.report()["why"])

    def drain(self) -> None:
        """Until no task is left."""
        if self.broker.live and (why := self.why_empty()):
            left = counted(len(self.broker.live), "call")
            told = f"waits for {left} before it closes, and no worker could be launched"
            log.warning("pool %s %s: %s", self.broker.name, told, why)
        self.loop.drain()

    def close(self) -> list[PoolTask]:
        """Send the workers away; returns what is not resolved."""
        self._leaves = True
        unlink_quietly(self.layout.door)
        left = self.loop.close()
        self._give_up()
        try:
            self.launching.close()
        except Exception as error:  # a launcher is its author's code
            log.warning("hpcbatch pool terminate %s tries again: %r", self.layout.id, error)
        folder.close_pool(self.layout, self.record)
        return left

    def _door(self, addresses: list[str], walltime: float | None) -> Door:
        settings, listening = self._settings, self.broker.listening
        return Door(
            addresses=addresses,
            server_key=listening.server_key.decode(),
            client_key=listening.client_key.decode(),
            client_secret=listening.client_secret.decode(),
            seed=settings.seed,
            folder=os.getcwd(),
            code=tuple(own_import_paths()),
            idle=settings.idle,
            walltime=walltime,
            max_tasks=settings.max_tasks,
            heartbeat=settings.heartbeat,
            reset_globals=settings.reset_globals,
            reset_packages=settings.reset_packages,
            garbage_collection=settings.garbage_collection,
            metrics=self._metrics(),
        )

    def _metrics(self) -> dict[str, Any] | None:
        asked = self._settings.options_metrics
        if asked is None:
            return None
        own = self.layout.metrics if self._settings.site is None else ""  # else it is known there
        return {**asked, "folder": asked["folder"] or own}


def _deployment(settings: PoolSettings) -> Deployment:
    if settings.site is None:
        return HereDeployment(settings)
    from .relay.deployment import RelayedDeployment

    return RelayedDeployment(settings)
