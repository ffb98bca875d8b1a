"""An attempt put into words: the scripts of its arrays, and what its elements must know."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..cluster.cluster import Cluster
from ..cluster.schedulers.answers import Limits
from ..registry.registry import Registry
from ..words.assignment import Assignment
from ..words.layout import TaskLayout
from ..words.model import Array, Attempt, TaskSpec
from ..words.options import SubmitOptions
from ..words.plan import NOTHING
from ..words.ranges import Ranges
from ..words.resources import Resources
from .arrays import make_arrays
from .code import has_data
from .dependencies import Dependencies, find_dependencies
from .planning import check_limits, make_plan, with_queue


@dataclass(frozen=True)
class Composition:
    """One attempt on its way to a cluster."""

    layout: TaskLayout
    spec: TaskSpec
    cluster: Cluster
    memory_unit: str | None
    resources: Resources
    waits_for: Dependencies
    attempt: Attempt

    @classmethod
    def of(
        cls,
        registry: Registry,
        spec: TaskSpec,
        jobs: Ranges,
        options: SubmitOptions,
        cluster: Cluster,
        limits_of: Callable[[], Limits],
        room: int | None = None,
        before: Sequence[str] = (),
        most: int | None = None,
    ) -> Composition:
        """``most``: elements that may run at a time, besides what is asked for. ``room``: elements
        that may be submitted now (None: all); the others are held back.
        ``before``: ids of arrays that must have ended, however they did.

        Raises ConfigError, ResourceError, UsageError, NotFound, StateError, and what ``limits_of``
        does.
        """
        options.check_retries()
        asked = Resources.parse(cluster.config.resources, options.resources)
        waits_for = find_dependencies(registry, options, cluster, spec.id)
        waits_for = waits_for._replace(ended=(*before, *waits_for.ended))
        check_limits(cluster.config, asked)
        limits = limits_of()
        whole = make_plan(jobs, cluster, limits, asked, options.chunk)
        resources = with_queue(cluster.config, asked, whole)
        if waits_for.hold_jobs_back:
            room = 0
        plan, held_back = whole.parted(whole.elements if room is None else room)
        throttle = options.throttled(most).throttle
        attempt = Attempt(
            number=1,
            cluster=cluster.name,
            scheduler=cluster.config.scheduler,
            host=os.uname().nodename,
            created=time.time(),
            plan=plan,
            arrays=make_arrays(plan.elements, cluster, limits, spec.id, throttle),
            options=options,
            most=most,
            resources=asked.to_json(),  # a queue that was found for it, another attempt finds anew
            held_back=held_back,
            logs=f"{cluster.config.log_dir}/{spec.id}" if cluster.config.log_dir else "",
        )
        layout = registry.layout(spec.id)
        return cls(layout, spec, cluster, limits.memory_unit, resources, waits_for, attempt)

    def numbered(self, number: int, function: int, retry: int, part_of: int) -> Composition:
        """What a part has no room for stays with the attempt that it is a part of."""
        attempt = replace(self.attempt, number=number, function=function, retry=retry)
        if part_of:
            attempt = replace(attempt, part_of=part_of, held_back=NOTHING)
        return replace(self, attempt=attempt)

    def assignment(self, suspects: Ranges) -> Assignment:
        names = dict.fromkeys(self.layout.code_of(n) for n in (0, self.attempt.function))
        archives = [name for name in names if os.path.exists(f"{self.layout.folder}/{name}")]
        return Assignment(
            kind=self.spec.kind,
            names=self.spec.names,
            seed=self.spec.seed,
            job_walltime=self.resources.walltime,
            element_walltime=self._walltime,
            isolate=self.attempt.options.isolates,
            job_timeout=self.attempt.options.job_timeout,
            suspects=[list(run) for run in suspects.runs],
            function=self.layout.function_of(self.attempt.function),
            code=archives,
            unpacked=[name for name in archives if has_data(f"{self.layout.folder}/{name}")],
            after_ok=list(self.waits_for.done),
            pauses_with=list(self.cluster.scheduler.pauses_with),
            launch=list(self.cluster.config.launch),
        )

    def script(self, number: int, attempt: Attempt, runner: str) -> str:
        """The script of array ``number``; the arrays before it have their ids in ``attempt``."""
        array = attempt.arrays[number]
        # two arrays throttled to 2 each would run 4: they go one after another
        before = attempt.arrays[max(number - 1, 0) : number] if attempt.throttle else ()
        own = {
            **attempt.options.env,
            "HPCBATCH_ROOT": os.path.dirname(self.layout.folder),
            "HPCBATCH_TASK": self.spec.id,
        }
        return self.cluster.script(
            array,
            own,
            title=f"{self.spec.name}: elements of attempt {attempt.number} of {self.spec.id}",
            resources=self.resources,
            memory_unit=self.memory_unit,
            walltime=self._walltime,
            throttle=attempt.throttle,
            after=(*(str(a.id) for a in before), *self.waits_for.ended),
            after_ok=self.waits_for.ok,
            folder=self.spec.folder,
            log_prefix=self.layout.log_prefix(attempt.number, attempt.logs),
            runner=runner,
            task=self.layout.folder,
            attempt=attempt.number,
        )

    def example(self, runner: str) -> str:
        """A script as that of each part that comes when there is room in the queue."""
        array = Array("example", 0, 1, self.cluster.scheduler.base)
        return self.script(0, replace(self.attempt, arrays=(array,)), runner)

    @property
    def _walltime(self) -> int | None:
        """Of the element with most jobs, seconds."""
        largest = max(self.attempt.plan.largest(), self.attempt.held_back.largest())
        return self.resources.for_element(largest)
