"""Pools as others see them: from their folders, and from what schedulers list. So workers are found
and ended on any cluster whose controller is dead, or elsewhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any

from ..cluster.cluster import Cluster
from ..disk.boot_id import boot_id
from ..disk.files import remove_tree, unlink_quietly
from ..registry.root import safe_root
from ..use.array_lookup import listing_of
from ..words.errors import DamagedFile, NewerFormat, NotFound, StateError
from ..words.ids import LAST, ids_meant
from ..words.layout import PoolLayout
from ..words.messages import nearest
from ..words.text import counted
from .folder import PoolRecord, close_pool, pool_ids, read_record
from .launch_records import Launch, read_launches, write_launch
from .listed_workers import adopted, alive_of, end_launches
from .local_workers import end_here, workers_here
from .process_identity import is_same_process

OPEN, CLOSED, DEAD, ELSEWHERE = "open", "closed", "dead", "elsewhere"


@dataclass(frozen=True)
class WorkerInfo:
    """One worker that is alive: a process of this host, or an element that a scheduler lists.
    ``state`` is the scheduler's own word; ``log`` need not be there yet."""

    launch: int
    element: int
    state: str
    array: str
    pid: int | None
    log: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Pool:
    """One pool. Its ``state``: its controller is there (``open``), has closed it (``closed``), is
    gone without a word (``dead``), or is on another host, where nobody can look from here. Of one
    whose workers are behind a login node, ``record.site``, they are not seen here."""

    record: PoolRecord
    layout: PoolLayout

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def state(self) -> str:
        record = self.record
        if record.ended:
            return CLOSED
        if record.host != os.uname().nodename:
            return ELSEWHERE
        lives = record.boot == boot_id() and is_same_process(record.pid, record.begun)
        return OPEN if lives else DEAD

    def workers(self) -> list[WorkerInfo]:
        """Those that are alive, as far as can be seen from here. Raises SchedulerError for a
        cluster that does not list."""
        found = []
        for cluster, launches in self._by_cluster():
            listing = cluster.listing()
            for launch in launches:
                found += [
                    self._worker(launch.number, element, seen.word, array=seen.array)
                    for element, seen in alive_of(launch, listing)
                ]
        listed = {(worker.launch, worker.element) for worker in found}
        return [*(w for w in self._here() if (w.launch, w.element) not in listed), *found]

    def logs(self) -> dict[str, str]:
        """Paths of the workers' logs, by ``launch-element``."""
        try:
            names = sorted(n for n in os.listdir(self.layout.logs) if n.endswith(".log"))
        except FileNotFoundError:
            return {}
        return {
            name.lstrip("0").removesuffix(".log"): f"{self.layout.logs}/{name}" for name in names
        }

    def terminate(self) -> list[str]:
        """End all workers, of this host and of every cluster, and see to it that none that starts
        later finds the pool; returns what schedulers object to. Safe to repeat."""
        unlink_quietly(self.layout.door)
        objections = []
        if self.record.site:
            objections.append(
                f"its workers are elsewhere: hpcbatch pool terminate {self.record.site_id} "
                f"--site {self.record.site}"
            )
        for cluster, launches in self._by_cluster():
            objections += end_launches(cluster, self._adopt(cluster, launches))
        end_here(self.id, self.layout.folder)
        if self.state in (DEAD, CLOSED):  # a controller that comes back must not open it again
            close_pool(self.layout, replace(self.record, terminated=True))
        return objections

    def remove(self) -> None:
        """Delete its folder, with the logs of its workers. Raises StateError where its controller
        or a worker may live, and SchedulerError for a cluster that does not list."""
        if self.state not in (DEAD, CLOSED):
            raise StateError(
                f"{self.id} is {self.state}: its controller, process {self.record.pid} on "
                f"{self.record.host}, has to close it first, or to end"
            )
        if alive := self.workers():
            raise StateError(
                f"{self.id} has {counted(len(alive), 'worker')} alive: hpcbatch pool terminate "
                f"{self.id} ends them"
            )
        remove_tree(self.layout.folder)

    def to_json(self) -> dict[str, Any]:
        return {**self.record.to_json(), "state": self.state, "folder": self.layout.folder}

    def _here(self) -> list[WorkerInfo]:
        return [
            self._worker(found.launch, found.element, "running", pid=found.process.pid)
            for found in workers_here(self.layout.folder)
        ]

    def _worker(self, launch: int, element: int, state: str, **more: Any) -> WorkerInfo:
        told = {"array": "", "pid": None, **more}
        return WorkerInfo(launch, element, state, log=self.layout.log(launch, element), **told)

    def _by_cluster(self) -> Iterator[tuple[Cluster, list[Launch]]]:
        launches = [launch for launch in read_launches(self.layout) if launch.arrays]
        where = attrgetter("cluster", "scheduler")
        for (name, scheduler), own in groupby(sorted(launches, key=where), where):
            yield Cluster.once_named(name, scheduler), list(own)

    def _adopt(self, cluster: Cluster, launches: list[Launch]) -> list[Launch]:
        """Those whose submission was interrupted get their ids, if they were taken."""
        if not any(launch.is_in_doubt for launch in launches):
            return launches
        listing = listing_of(cluster, launches[0].host)
        if listing is None:
            return launches
        settled = []
        for launch in launches:
            found = adopted(launch, listing) if launch.is_in_doubt else launch
            if found != launch:
                write_launch(self.layout, found)
            settled.append(found)
        return settled


def pools(root: str | None = None) -> list[Pool]:
    """All pools of a registry, the newest last. One whose record cannot be read is left out."""
    where = safe_root(root)
    found = []
    for name in pool_ids(where):
        with contextlib.suppress(DamagedFile, NewerFormat, NotFound):
            found.append(Pool(read_record(where, name), PoolLayout(where, name)))
    return sorted(found, key=lambda pool: pool.record.begun)


def find_pool(text: str, root: str | None = None) -> Pool:
    """By its id, the unique beginning of it, or ``last``. Raises NotFound."""
    known = {pool.id: pool for pool in pools(root)}
    fitting = list(known)[-1:] if text == LAST else ids_meant(known, text)
    if len(fitting) == 1:
        return known[fitting[0]]
    if fitting:
        raise NotFound(f"{text!r} is the beginning of {len(fitting)} pools: write more of it")
    raise NotFound(f"there is no pool {text!r}{nearest(text, known)}")
