"""What elements of a pool's launches are told: by the cluster's template, as those of a task."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from ...cluster.cluster import Cluster
from ...cluster.schedulers.answers import Limits
from ...disk.boot_id import boot_id
from ...disk.files import make_folder, publish
from ...use.planning import check_limits, make_plan, with_queue
from ...words.layout import PoolLayout
from ...words.model import Array
from ...words.ranges import Ranges
from ...words.resources import Resources
from ..launch_records import Launch
from ..local_workers import POOL
from .base import Call


def marks(pool: str) -> dict[str, str]:
    return {POOL: pool}


def resources_of(cluster: Cluster, asked: Resources) -> Resources:
    """With a queue that fits. Raises ResourceError for what is beyond the cluster's limits."""
    check_limits(cluster.config, asked)
    plan = make_plan(Ranges([(0, 1)]), cluster, Limits(), asked, 1)
    return with_queue(cluster.config, asked, plan)


@dataclass(frozen=True)
class Elements:
    """Workers of one cluster."""

    cluster: Cluster
    layout: PoolLayout
    resources: Resources
    memory_unit: str | None

    def launch(self, call: Call, n: int, arrays: tuple[Array, ...]) -> Launch:
        config = self.cluster.config
        return Launch(
            number=call.number,
            cluster=self.cluster.name,
            scheduler=config.scheduler,
            host=os.uname().nodename,
            boot=boot_id(),
            time=time.time(),
            workers=n,
            arrays=arrays,
        )

    def script(self, call: Call, array: Array) -> str:
        runner, folder = call.runner
        return self.cluster.script(
            array,
            marks(call.pool),
            title=f"{call.pool}: workers of launch {call.number}",
            resources=self.resources,
            memory_unit=self.memory_unit,
            walltime=self.resources.for_element(1),
            throttle=None,
            after=(),
            folder=os.getcwd(),
            log_prefix=self.layout.log_prefix(call.number),
            runner=runner,
            task=folder,
            attempt=call.number,
        )

    def keep_script(self, call: Call, number: int, array: Array) -> tuple[str, str]:
        """The path and the text of an array's script, which is kept for the reader."""
        paths = self.layout.launch(call.number)
        text = self.script(call, array)
        make_folder(paths.folder)
        publish(paths.script(number), text.encode("utf-8", "surrogateescape"))
        return paths.script(number), text
