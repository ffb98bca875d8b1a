"""How many elements, how many arrays: the arithmetic before a submission."""

from __future__ import annotations

from dataclasses import replace

from ..cluster.cluster import Cluster
from ..cluster.profile import ClusterConfig
from ..cluster.schedulers.answers import Limits
from ..words.errors import ResourceError
from ..words.plan import Plan
from ..words.ranges import Ranges
from ..words.resources import Resources
from ..words.text import bytes_text, counted, size_text, walltime_text

LIMITED_BY = "max_nodetime of the server's settings"


def make_plan(
    jobs: Ranges,
    cluster: Cluster,
    limits: Limits,
    resources: Resources,
    chunk: int | str | None,
) -> Plan:
    """Deal ``jobs`` to elements. ``chunk`` is the largest number of jobs of one element, or
    ``auto``: no more elements than one array holds and the cluster has use for.

    Raises ResourceError for what is beyond the cluster's limits.
    """
    if isinstance(chunk, int):
        elements = -(-len(jobs) // chunk)
    else:
        elements = min(len(jobs), cluster.config.elements)
        for limit in (limits.array, limits.parallel):
            elements = min(elements, limit or elements)
        elements = max(elements, _elements_within_walltime(len(jobs), cluster, resources))
    plan = Plan(jobs, elements)
    _check_walltime(plan, cluster, resources)
    return plan


def check_limits(config: ClusterConfig, resources: Resources) -> None:
    """Raises ResourceError for a resource beyond what the cluster is configured to give."""
    for name in ("memory", "cpus", "gpus", "nodes"):
        asked, limit = getattr(resources, name), getattr(config, f"max_{name}")
        if asked is not None and limit is not None and asked > limit:
            where = config.origins.get(f"max_{name}", "the configuration")
            more, most = _sizes(asked, limit) if name == "memory" else (asked, limit)
            raise ResourceError(
                f"{name} {more} was asked for, and cluster {config.name} allows "
                f"{most} (max_{name} in {where}): ask for less, or choose another cluster"
            )


def _sizes(asked: int, limit: int) -> tuple[str, str]:
    """As people read them; more exact where they would look the same."""
    told = size_text(asked), size_text(limit)
    return told if told[0] != told[1] else (bytes_text(asked), bytes_text(limit))


def with_queue(config: ClusterConfig, resources: Resources, plan: Plan) -> Resources:
    """Where no queue is asked for, the one of the shortest limit that the walltime fits into."""
    walltime = resources.for_element(plan.largest())
    if resources.queue is not None or walltime is None:
        return resources
    fitting = [(limit, name) for name, limit in config.queues.items() if limit >= walltime]
    return replace(resources, queue=min(fitting)[1]) if fitting else resources


def _elements_within_walltime(njobs: int, cluster: Cluster, resources: Resources) -> int:
    longest, each = cluster.config.longest_walltime(resources.queue), resources.walltime
    if not longest or not each or resources.element_walltime:
        return 1
    return -(-njobs // max(longest[0] // each, 1))


def _check_walltime(plan: Plan, cluster: Cluster, resources: Resources) -> None:
    longest = cluster.config.longest_walltime(resources.queue)
    asked = resources.for_element(plan.largest())
    if longest and asked and asked > longest[0]:
        where = cluster.config.origins.get(longest[1], "the configuration")
        raise ResourceError(
            f"an element of {counted(plan.largest(), 'job')} asks for {walltime_text(asked)} of "
            f"walltime, and cluster {cluster.name} allows {walltime_text(longest[0])} "
            f"({longest[1]} in {where}): use a smaller chunk, a shorter walltime, or another queue"
        )
