"""The script of a task that is not stored, for its reader."""

from __future__ import annotations

from typing import NamedTuple

from ..cluster.cluster import Cluster
from ..cluster.schedulers.answers import Limits
from ..registry.registry import Registry
from ..words.errors import SchedulerError
from ..words.layout import node_program
from ..words.model import TaskSpec
from ..words.options import SubmitOptions
from ..words.ranges import Ranges
from .compose import Composition
from .dependencies import with_whole_ids
from .planning import LIMITED_BY


class Preview(NamedTuple):
    """The first script of a submission, and the cluster that it is for."""

    cluster: str
    script: str


def preview(
    registry: Registry, spec: TaskSpec, options: SubmitOptions, longest: int | None = None
) -> Preview:
    """The script that ``submit`` would hand to the scheduler; nothing is submitted or stored.
    ``longest`` as in ``Terms``. Raises ConfigError, ResourceError, UsageError, NotFound,
    StateError.
    """
    cluster = Cluster.named(options.cluster).as_here().limited(longest, LIMITED_BY)
    options = with_whole_ids(registry, options, spec.id)

    def limits() -> Limits:
        try:
            return cluster.limits(registry.root)
        except SchedulerError:  # the cluster need not be here
            return Limits(cluster.config.array_limit, memory_unit=cluster.config.memory_unit)

    jobs = Ranges([(0, spec.njobs)])
    made = Composition.of(registry, spec, jobs, options, cluster, limits)
    runner = node_program(registry.root, "runner", "preview")
    has_room = bool(made.attempt.arrays)
    script = made.script(0, made.attempt, runner) if has_room else made.example(runner)
    return Preview(cluster.name, script)
