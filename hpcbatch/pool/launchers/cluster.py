"""Workers as elements of arrays, on every cluster that there is."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace

from ...cluster.cluster import Cluster
from ...cluster.queue_room import room_in_queue
from ...use.array_lookup import listing_of
from ...use.arrays import hand_in, make_arrays
from ...words.errors import (
    LaunchError,
    SchedulerError,
    SubmissionDeferred,
    SubmissionUnclear,
)
from ...words.layout import PoolLayout
from ...words.messages import in_short
from ...words.model import Listing
from ...words.resources import Resources
from ..launch_records import Launch, read_launches, write_launch
from ..listed_workers import adopted, alive_of, end_launches
from .base import Call, Launcher, Standing
from .elements import Elements, resources_of

log = logging.getLogger("hpcbatch.pool")

FRESH = 2.0  # seconds for which a listing will do


class ClusterLauncher(Launcher):
    """One launch is one array, or several where the cluster's limit demands it. Each has its name
    on disk before it is submitted: whatever happens then, it can be found and ended."""

    pause = 15.0

    def __init__(self, cluster: Cluster, layout: PoolLayout, resources: Resources):
        self._cluster, self._layout = cluster.as_here(), layout
        self._resources = resources_of(cluster, resources)
        self._launches = {launch.number: launch for launch in read_launches(layout)}
        self._listing_kept: Listing | None = None

    def launch_workers(self, call: Call, n: int) -> int:
        """Raises SchedulerError with what the scheduler said, ConfigError, ResourceError."""
        cluster, root = self._cluster, self._layout.root
        with room_in_queue(root, cluster, 0.0) as room:
            if room is not None and room < n:
                if not room:
                    raise SubmissionDeferred(
                        f"the queue of cluster {cluster.name} has no room for more of yours "
                        "(max_queued)"
                    )
                n = room
            limits = cluster.limits(root)
            elements = Elements(cluster, self._layout, self._resources, limits.memory_unit)
            arrays = make_arrays(n, cluster, limits, self._layout.id)
            return self._submit(elements, call, elements.launch(call, n, arrays))

    def _submit(self, elements: Elements, call: Call, launch: Launch) -> int:
        path = ""

        def script(number: int) -> str:
            nonlocal path
            path, text = elements.keep_script(call, number, launch.arrays[number])
            return text

        self._keep(launch)
        try:
            for arrays in hand_in(self._layout.root, self._cluster, launch.arrays, script, 0.0):
                launch = self._keep(replace(launch, arrays=arrays))
        except SubmissionUnclear as error:
            log.warning("%s", error)
            return launch.workers
        except SchedulerError as error:
            launch = self._keep(launch.given_up_for(in_short(error)))
            told = f"cluster {self._cluster.name} did not take the script {path}. {error}"
            if not launch.taken:
                raise type(error)(told) from error
            log.warning("%s", told)
            return launch.taken
        return launch.workers

    def standing(self, number: int) -> Standing | None:
        launch = self._launches.get(number)
        if launch is None:
            return None
        listing = self._listing()
        if listing is None or listing.time < launch.time:
            raise SchedulerError(f"cluster {self._cluster.name} tells nothing of its elements now")
        if launch.is_in_doubt:
            launch = self._keep(adopted(launch, listing))
        doubtful = sum(a.count for a in launch.arrays if a.id is None) if launch.is_in_doubt else 0
        alive = alive_of(launch, listing)
        waiting = sum(not sighting.running for _, sighting in alive)
        return Standing(waiting + doubtful, len(alive) + doubtful)

    def terminate_workers(self) -> None:
        """Raises LaunchError with what the scheduler objects to."""
        launches = list(self._launches.values())
        self._launches.clear()
        if objections := end_launches(self._cluster, launches):
            raise LaunchError("workers could not be ended: " + "; ".join(objections))

    def _listing(self) -> Listing | None:
        """One for all launches that are asked about in the same moment."""
        if self._listing_kept is None or time.time() - self._listing_kept.time > FRESH:
            self._listing_kept = listing_of(self._cluster, os.uname().nodename)
        return self._listing_kept

    def _keep(self, launch: Launch) -> Launch:
        self._launches[launch.number] = launch
        write_launch(self._layout, launch)
        return launch
