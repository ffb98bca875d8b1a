"""How the workers of a pool are to run: on which cluster, with what, by which launcher."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from ..cluster.cluster import Cluster
from ..runner.bundle import check_not_on_node, ensure_worker
from ..words.door import Door
from ..words.layout import PoolLayout, new_job_name
from ..words.resources import Resources
from .addresses import Endpoint, endpoint_of
from .folder import PoolRecord
from .launchers import Call, Launcher, find_launcher
from .logs import Logs, WorkerLogs
from .settings import PoolSettings

SHORTEST_NAME = 15  # that some scheduler takes
MARGIN = 30.0  # seconds between a worker's end and that of its element, at most


class Deployment(ABC):
    """What a controller has to know of that. It is opened once, before ``recorded``, ``launcher``
    and ``logs`` are asked for."""

    @property
    @abstractmethod
    def endpoint(self) -> Endpoint:
        """Where the controller listens."""

    @property
    @abstractmethod
    def seconds(self) -> float | None:
        """For which a worker lives: it is to leave before its scheduler ends it. None: without
        end, or not known here."""

    @abstractmethod
    def open(self, name: str, door: Door, port: int, fail: Callable[[str], None]) -> Door:
        """The door as workers see it; ``fail`` is called with what ends the pool later. Raises
        UsageError in a worker or job, SiteError, and whatever is wrong elsewhere."""

    @abstractmethod
    def recorded(self, record: PoolRecord) -> PoolRecord:
        """With where the workers are, if that is elsewhere."""

    @abstractmethod
    def launcher(self, layout: PoolLayout) -> Launcher:
        """Of its workers."""

    @abstractmethod
    def logs(self, layout: PoolLayout) -> WorkerLogs:
        """What its workers print."""

    @abstractmethod
    def call(self, layout: PoolLayout, number: int) -> Call:
        """What a launch, which has this number, is to run."""

    @abstractmethod
    def give_up(self) -> None:
        """Wait for nothing that is elsewhere."""

    @abstractmethod
    def close(self) -> None:
        """What was opened is of no use."""


class HereDeployment(Deployment):
    """On a cluster that this host submits to. Raises ConfigError for an unknown cluster,
    ResourceError for what it does not give."""

    def __init__(self, settings: PoolSettings):
        self.cluster = Cluster.named(settings.cluster)
        own = {} if settings.walltime is None else {"element_walltime": settings.walltime}
        given = {**settings.resources, **own}
        self.resources = Resources.parse(self.cluster.config.resources, given)
        self._given = given
        self._launcher = settings.launcher
        self._settings = settings

    @property
    def endpoint(self) -> Endpoint:
        return endpoint_of(self.are_local, self._settings.host, self._settings.interface)

    @property
    def are_local(self) -> bool:
        return self._launcher is None and self.cluster.config.scheduler == "local"

    @property
    def walltime(self) -> int | None:
        """Seconds, of an element."""
        return self.resources.for_element(1)

    @property
    def seconds(self) -> float | None:
        walltime = self.walltime
        return None if walltime is None else walltime - min(MARGIN, 0.05 * walltime)

    def open(self, name: str, door: Door, port: int, fail: Callable[[str], None]) -> Door:
        check_not_on_node()
        return door

    def recorded(self, record: PoolRecord) -> PoolRecord:
        return record

    def logs(self, layout: PoolLayout) -> Logs:
        return Logs(layout)

    def give_up(self) -> None:
        pass  # nothing is elsewhere

    def close(self) -> None:
        pass  # nor open

    def launcher(self, layout: PoolLayout) -> Launcher:
        if self._launcher is not None:
            return find_launcher(self._launcher)
        if self.are_local:
            from .launchers.local import LocalLauncher

            return LocalLauncher(self.cluster, layout, self.resources)
        from .launchers.cluster import ClusterLauncher

        return ClusterLauncher(self.cluster, layout, self.resources)

    def call(self, layout: PoolLayout, number: int, program: str = "") -> Call:
        """``program`` is what a worker runs, where that is not ours."""
        worker = program or ensure_worker(layout.root)
        return Call(
            argv=(self.cluster.python, worker, layout.folder, str(number)),
            folder=layout.folder,
            pool=layout.id,
            number=number,
            name=new_job_name(layout.id, SHORTEST_NAME),
            logs=layout.logs,
            walltime=self.walltime,
            resources=self._given,
        )
