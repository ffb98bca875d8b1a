"""Room in the queue, where a user may have no more than ``max_queued`` elements there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..disk.files import make_folder
from ..disk.locks import held
from ..words.errors import ProgramMissing, SchedulerError, SubmissionDeferred
from ..words.layout import PollsLayout
from .cluster import Cluster


@contextmanager
def room_in_queue(root: str, cluster: Cluster, seconds: float) -> Iterator[int | None]:
    """Elements that may be submitted while this holds; None where any number may be.

    All that the scheduler lists of this user counts, running or not, also what others than we
    submitted. One client of a registry looks and submits at a time: the others wait for
    ``seconds``. Raises RegistryBusy, and SubmissionDeferred when nobody can tell now.
    """
    most = cluster.config.max_queued
    if most is None:
        yield None
        return
    polls = PollsLayout(root, cluster.config.scheduler)
    make_folder(polls.folder)
    with held(polls.room_lock, seconds):
        yield max(most - _queued(cluster), 0)


def _queued(cluster: Cluster) -> int:
    try:
        return len(cluster.listing().alive)
    except ProgramMissing:
        raise
    except SchedulerError as error:
        raise SubmissionDeferred(
            f"cluster {cluster.name} cannot tell how many elements are in its queue (max_queued "
            f"is {cluster.config.max_queued}). {error}"
        ) from error
