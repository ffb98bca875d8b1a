"""A pool that is open: its folder, its door, its broker and its workers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from ..disk.files import unlink_quietly
from ..runner.bundle import ensure_worker
from ..use.own_modules import is_installed
from ..words.door import Door
from ..words.version import VERSION
from . import folder
from .broker import Broker
from .dispatch import Dispatch
from .duty import Duty
from .processes import Processes
from .settings import Settings
from .task import Result, Task


class Running:
    def __init__(
        self,
        name: str,
        settings: Settings,
        dispatch: Dispatch,
        resolve: Callable[[Task, Result], None],
    ):
        self._settings, self._dispatch = settings, dispatch
        python = "{}.{}".format(*sys.version_info[:2])
        self.layout, self.record = folder.make_pool(
            name, settings.cluster, settings.workers, VERSION
        )
        self.broker = Broker(name, dispatch, settings.heartbeat, resolve)
        self.duty = Duty(self.broker, self._scale)
        port = self.broker.bind("127.0.0.1", settings.port)
        folder.write_door(self.layout, self._door([f"tcp://127.0.0.1:{port}"], python))
        worker = ensure_worker(os.path.dirname(os.path.dirname(self.layout.folder)))
        self._launcher = Processes(worker, self.layout.folder, self.layout.logs)
        self._launcher.ensure(settings.workers)
        self.duty.start()

    def _scale(self, tasks: int) -> None:
        self._launcher.ensure(min(tasks, self._settings.workers))

    def summary(self) -> list[dict[str, Any]]:
        with self.broker.lock:
            return [
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

    def drain(self) -> None:
        """Until no task is left."""
        self.duty.drain()

    def close(self) -> list[Task]:
        """Send the workers away; returns what is not resolved."""
        left = self.duty.close()
        unlink_quietly(self.layout.door)
        self._launcher.terminate()
        folder.close_pool(self.layout, self.record)
        return left

    def _door(self, addresses: list[str], python: str) -> Door:
        settings, broker = self._settings, self.broker
        return Door(
            addresses=addresses,
            server_key=broker.server_key.decode(),
            client_key=broker.client_key.decode(),
            client_secret=broker.client_secret.decode(),
            version=VERSION,
            python=python,
            seed=settings.seed,
            folder=os.getcwd(),
            code=tuple(_own_places()),
            idle=settings.idle,
            walltime=settings.walltime,
            max_tasks=settings.max_tasks,
            heartbeat=settings.heartbeat,
            reset_globals=settings.reset_globals,
            reset_packages=settings.reset_packages,
            garbage_collection=settings.garbage_collection,
        )


def _own_places() -> list[str]:
    """Where this process imports what is not installed from."""
    places = dict.fromkeys(os.path.abspath(place) for place in sys.path)
    return [place for place in places if os.path.isdir(place) and not is_installed(f"{place}/")]
