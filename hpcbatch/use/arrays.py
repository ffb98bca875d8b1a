"""Arrays on their way to a scheduler: cut to its limit, handed in.

Elements of a task and workers of a pool go the same way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from ..cluster.cluster import Cluster
from ..cluster.schedulers.answers import Limits
from ..cluster.submission_turns import wait_for_turn
from ..words.errors import CommandTimeout, SubmissionUnclear
from ..words.layout import new_job_name
from ..words.model import Array
from .busy_schedulers import patiently


def make_arrays(
    elements: int, cluster: Cluster, limits: Limits, owner: str, throttle: int | None = None
) -> tuple[Array, ...]:
    """Arrays that hold all elements of ``owner`` (an id) within the cluster's limit; one array
    where a throttle would need them to wait for one another and the scheduler cannot do that."""
    if not elements:
        return ()
    size = min(limits.array or elements, elements)
    if throttle and not cluster.scheduler.chains:
        size = elements
    scheduler = cluster.scheduler
    return tuple(
        Array(
            new_job_name(owner, scheduler.longest_name),
            first,
            min(size, elements - first),
            scheduler.base,
        )
        for first in range(0, elements, size)
    )


def hand_in(
    root: str,
    cluster: Cluster,
    arrays: Sequence[Array],
    script: Callable[[int], str],
    patience: float,
) -> Iterator[tuple[Array, ...]]:
    """Submit one after another, each by the text of ``script``, which may name the ids of those
    before; yields all of them whenever one was taken. Raises SubmissionUnclear where the scheduler
    may have taken one, else SchedulerError."""
    for number, array in enumerate(arrays):
        text = script(number)
        try:
            wait_for_turn(root, cluster)
            taken = patiently(partial(cluster.submit, text), patience)
        except (CommandTimeout, SubmissionUnclear) as error:
            raise SubmissionUnclear(
                f"cluster {cluster.name} did not answer, and may have taken the submission. "
                f"{error}\nIt is looked up by its name {array.name}; nothing is submitted twice."
            ) from error
        submitted = replace(array, id=taken, time=time.time())
        arrays = (*arrays[:number], submitted, *arrays[number + 1 :])
        yield tuple(arrays)
