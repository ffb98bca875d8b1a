"""How many elements, how many arrays: the arithmetic before a submission."""

from __future__ import annotations

from typing import Any

from ..cluster.cluster import Cluster
from ..cluster.schedulers.base import Limits
from ..words.errors import ResourceError
from ..words.layout import new_job_name
from ..words.model import Array
from ..words.plan import Plan
from ..words.ranges import Ranges
from ..words.resources import Resources

AUTO = "auto"


def make_plan(
    jobs: Ranges,
    cluster: Cluster,
    limits: Limits,
    resources: Resources,
    chunk: Any,
    throttle: int | None,
) -> Plan:
    """Deal ``jobs`` to elements. ``chunk`` is the largest number of jobs of one element, or
    ``auto``: no more elements than one array holds and the cluster has use for.

    Raises ResourceError for a chunk that is none, or whose walltime is beyond the profile's.
    """
    if chunk is None or chunk == AUTO:
        elements = min(len(jobs), cluster.config.elements)
        for limit in (limits.array, limits.parallel):
            elements = min(elements, limit or elements)
        elements = max(elements, _elements_within_walltime(len(jobs), cluster, resources))
    elif isinstance(chunk, int) and not isinstance(chunk, bool) and chunk > 0:
        elements = -(-len(jobs) // chunk)
    else:
        raise ResourceError(f"chunk {chunk!r} is neither 'auto' nor a whole number from 1 up")
    is_count = isinstance(throttle, int) and not isinstance(throttle, bool) and throttle > 0
    if throttle is not None and not is_count:
        raise ResourceError(f"throttle {throttle!r} is no whole number from 1 up")
    plan = Plan(jobs, elements)
    _check_walltime(plan, cluster, resources)
    return plan


def make_arrays(
    plan: Plan, cluster: Cluster, limits: Limits, task_id: str, throttle: int | None
) -> tuple[Array, ...]:
    """Arrays that hold all elements of ``plan`` within the cluster's limit; one array where a
    throttle would need them to wait for one another and the scheduler cannot do that."""
    size = min(limits.array or plan.elements, plan.elements)
    if throttle and not cluster.scheduler.chains:
        size = plan.elements
    scheduler = cluster.scheduler
    return tuple(
        Array(
            new_job_name(task_id, scheduler.longest_name),
            first,
            min(size, plan.elements - first),
            scheduler.base,
        )
        for first in range(0, plan.elements, size)
    )


def _elements_within_walltime(njobs: int, cluster: Cluster, resources: Resources) -> int:
    longest, each = cluster.config.max_walltime, resources.walltime
    if not longest or not each or resources.element_walltime:
        return 1
    return -(-njobs // max(longest // each, 1))


def _check_walltime(plan: Plan, cluster: Cluster, resources: Resources) -> None:
    longest = cluster.config.max_walltime
    asked = resources.for_element(plan.largest())
    if longest and asked and asked > longest:
        raise ResourceError(
            f"an element of {plan.largest()} jobs asks for {asked} s of walltime, and cluster "
            f"{cluster.name} allows {longest} s: use a smaller chunk or a shorter walltime"
        )
