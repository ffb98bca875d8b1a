"""A Dask cluster whose workers are elements of arrays."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from ..words.errors import UsageError
from ..words.extras import needs
from ..words.messages import nearest

with needs("a DaskCluster", "dask"):
    import dask
    from dask.utils import parse_timedelta
    from distributed import Adaptive, Scheduler, Security, SpecCluster
    from distributed.core import Status
    from distributed.deploy.cluster import Cluster
    from distributed.utils import NoOpAwaitable

from .dask_workers import DaskWorkers
from .settings import PoolSettings

log = logging.getLogger("hpcbatch.pool")

SETTINGS = ("host", "interface", "port", "launcher", "resources", "seconds_launch", "walltime")
OPTIONS = ("cluster", "workers", "name", "nanny", "options", "dashboard_address", "asynchronous")
SOON = 1.0  # seconds in which one who is to leave has been told


class WithoutHttp(Scheduler):  # type: ignore[misc]  # without types
    """Its pages and metrics have no password."""

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """Nothing listens but the scheduler itself."""


class DaskCluster(SpecCluster):  # type: ignore[misc]  # without types
    """``workers`` of ``cluster``, one of hpcbatch's: all that are wanted at a time start as one
    array. ``distributed.Client(cluster)`` uses it; ``scale`` and ``adapt`` are Dask's own.

    A worker has as many threads and as much memory as ``resources`` say, unless ``options``, those
    of ``distributed.Worker``, do. Connections are encrypted, with keys of the cluster's own. Only
    where ``dashboard_address`` is given does the scheduler serve pages and metrics, without a
    password.
    """

    def __init__(
        self,
        cluster: str = "local",
        workers: int = 0,
        *,
        name: str | None = None,
        nanny: bool = True,
        options: Mapping[str, Any] | None = None,
        dashboard_address: str | None = None,
        asynchronous: bool = False,
        loop: Any = None,
        **settings: Any,
    ):
        for setting in settings:
            if setting not in SETTINGS:
                hint = nearest(setting, (*OPTIONS, *SETTINGS))
                raise UsageError(f"a DaskCluster has no setting {setting!r}{hint}")
        if workers < 0:
            raise UsageError(f"workers={workers!r}: a cluster has none or more")
        checked = PoolSettings.of(cluster, max(workers, 1), settings)
        self._crew = DaskWorkers(name or cluster, checked, nanny, options or {})
        self._endpoint = self._crew.endpoint()
        self._wanted = workers
        self._missing: set[str] = set()  # may come back
        self._leaving: set[str] = set()  # were sent away
        self._retiring = False
        super().__init__(
            scheduler={
                "cls": WithoutHttp if dashboard_address is None else Scheduler,
                "options": {
                    "protocol": "tls://",
                    "host": None if self._endpoint.bind == "*" else self._endpoint.bind,
                    "port": checked.port,
                    "security": (security := Security.temporary()),
                    "dashboard": dashboard_address is not None,
                    "dashboard_address": dashboard_address or "127.0.0.1:0",
                },
            },
            worker={"options": self._crew.options},
            security=security,
            silence_logs=logging.WARNING,  # as dask's own clusters
            name=name,
            asynchronous=asynchronous,
            loop=loop,
        )

    @property
    def launches(self) -> dict[str, Any]:
        """Of workers: how many are to come, how many are lost, and why none is launched, if so."""
        return self._crew.report()

    @property
    def plan(self) -> set[str]:
        here: set[str] = self.observed
        return here | {f"to come {number}" for number in range(self._wanted - len(here))}

    @property
    def requested(self) -> set[str]:
        return self.plan

    def scale(self, n: int = 0, memory: Any = None, cores: int | None = None) -> Any:
        """To ``n`` workers, or as many as have so much memory or so many threads. Those that wait
        in a queue are sent away when they come."""
        if memory is not None:
            n = max(n, -(-dask.utils.parse_bytes(memory) // self._memory_per_worker()))
        if cores is not None:
            n = max(n, -(-cores // self._threads_per_worker()))
        self._wanted = n
        self.loop.add_callback(self._follow)
        return NoOpAwaitable() if self.asynchronous else None

    def adapt(self, *limits: Any, **named: Any) -> Any:
        """Dask's, that raises UsageError for a name which it would pass over."""
        if not limits and "Adaptive" not in named:  # a class of the user's own may take others
            known = {
                name
                for taken in (SpecCluster.adapt, Adaptive.__init__)
                for name, each in inspect.signature(taken).parameters.items()
                if each.kind is not each.VAR_KEYWORD and name not in ("self", "cluster")
            }
            for name in named:
                if name not in known:
                    raise UsageError(f"adapt takes no {name!r}{nearest(name, known)}")
        return super().adapt(*limits, **named)

    async def scale_down(self, workers: Iterable[str]) -> None:
        """Called by ``adapt``, which has retired them."""
        names = set(workers)
        self._wanted = max(self._wanted - len(names), 0)
        self._leaving |= names & self.observed
        self._missing -= names
        self._follow()

    async def _start(self) -> None:
        await super()._start()
        if self.status != Status.running or self._crew.launching is not None:
            return
        addresses = self._endpoint.addresses(self.scheduler.port, "tls")
        security, wanted = self.security, self._wanted
        keys = (security.tls_ca_file, security.tls_worker_key)
        try:
            await asyncio.to_thread(self._crew.open, addresses, *keys, wanted)
        except BaseException:
            await self._close()
            raise

    async def _close(self) -> None:
        self._crew.shut()
        await super()._close()
        await asyncio.to_thread(self._crew.close)

    def _update_worker_status(self, op: str, msg: Any) -> None:
        came: list[str] = []
        if op == "add":
            came = [told["name"] for told in msg["workers"].values()]
            self._missing.difference_update(came)
        elif op == "remove":
            self._miss(self.scheduler_info["workers"][msg]["name"], msg)
        Cluster._update_worker_status(self, op, msg)
        self._follow(came)

    def _miss(self, name: str, address: str) -> None:
        """A nanny may bring it back, or ``adapt`` has sent it away and is about to say so: another
        takes its place after a while."""
        if name in self._leaving:
            self._leaving.discard(name)
            return
        self._missing.add(name)

        def give_up() -> None:
            if name not in self._missing:
                return
            self._missing.discard(name)
            if self.status == Status.running and len(self.observed) < self._wanted:
                log.warning("Dask worker %s at %s is lost", name, address)
            self._follow()

        told = dask.config.get("distributed.deploy.lost-worker-timeout")
        seconds = parse_timedelta(told) if self._crew.has_nanny else SOON
        asyncio.get_running_loop().call_later(seconds, give_up)

    def _follow(self, came: Iterable[str] = ()) -> None:
        """Launch what is missing, or retire what is too much."""
        if self.status != Status.running:
            return
        here = self.observed
        self._crew.tell(self._wanted, len(here | self._missing), came)
        if len(here) > self._wanted and not self._retiring:
            self._retiring = True
            self._retirement = asyncio.ensure_future(self._retire())

    async def _retire(self) -> None:
        try:
            names = self.scheduler.workers_to_close(target=self._wanted, attribute="name")
            self._leaving.update(names)
            await self.scheduler_comm.retire_workers(names=names, remove=True, close_workers=True)
        finally:
            self._retiring = False
