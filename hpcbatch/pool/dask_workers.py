"""Workers of a Dask cluster, as elements that are launched like those of a pool."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from ..disk.files import publish, read, unlink_quietly
from ..words.formats import FORMAT
from ..words.version import PYTHON, VERSION
from ..worker import dask_worker
from . import folder
from .addresses import Endpoint
from .deployment import HereDeployment
from .import_paths import own_import_paths
from .launching import Launching
from .settings import PoolSettings

log = logging.getLogger("hpcbatch.pool")

MOST = 1 << 30  # workers: who scales says how many


class DaskWorkers:
    """``options`` are those of ``distributed.Worker``. Raises what a Controller does."""

    def __init__(self, name: str, settings: PoolSettings, nanny: bool, options: Mapping[str, Any]):
        self._name, self._settings = name, settings
        self.has_nanny = nanny
        self._deployment = HereDeployment(settings)
        resources = self._deployment.resources
        self.options: dict[str, Any] = {
            "nthreads": resources.cpus,
            "memory_limit": resources.memory or "auto",
            "lifetime": self._deployment.seconds,
            **options,
        }
        self.launching: Launching | None = None

    def endpoint(self) -> Endpoint:
        """Where the scheduler is to listen. Raises UsageError."""
        return self._deployment.endpoint

    def open(self, addresses: list[str], certificate: str, key: str, wanted: int) -> None:
        """Launch the first ones. Raises RegistryUnsafe, RegistryUnwritable, ConfigError."""
        settings = self._settings
        self.layout, self._record = folder.make_pool(self._name, settings.cluster, wanted, VERSION)
        program = f"{self.layout.folder}/worker-dask.py"
        publish(program, read(str(dask_worker.__file__)))
        door = {
            "format": FORMAT,
            "addresses": addresses,
            "certificate": certificate,
            "key": key,
            "python": PYTHON,
            "code": own_import_paths(),
            "nanny": self.has_nanny,
            "options": self.options,
        }
        publish(self.layout.door, json.dumps(door, indent=1).encode())
        launching = Launching(
            self._name,
            self.layout,
            self._deployment.launcher(self.layout),
            partial(self._deployment.call, self.layout, program=program),
            MOST,
            settings.seconds_launch,
        )
        launching.start(wanted)
        self.launching = launching

    def tell(self, wanted: int, here: int, came: Iterable[str]) -> None:
        """How many there are to be and are, and the names of those that are new."""
        if self.launching is not None:
            told = ({"worker": name, "launch": int(name.partition("-")[0])} for name in came)
            self.launching.tell(wanted, here, told)

    def report(self) -> dict[str, Any]:
        return {} if self.launching is None else self.launching.report()

    def shut(self) -> None:
        """None is launched any more, and one that starts late leaves at once."""
        if self.launching is not None:
            unlink_quietly(self.layout.door)

    def close(self) -> None:
        """End those that are left."""
        launching, self.launching = self.launching, None
        if launching is None:
            return
        try:
            launching.close()
        except Exception as error:  # a launcher is its author's code
            log.warning("hpcbatch pool terminate %s tries again: %r", self.layout.id, error)
        folder.close_pool(self.layout, self._record)
