"""What waits in the queue of a registry's own server, as commands of its owner see it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..disk.files import unlink_quietly
from ..registry.attempts import numbers
from ..registry.registry import Registry
from ..words.errors import JobError, StateError
from ..words.ranges import Ranges
from ..words.server_layout import QueueLayout, ServerLayout, queued_task
from ..words.status import JobInfo, TaskStatus, known_states


def jobs(
    registry: Registry,
    task_id: str,
    states: str | Sequence[str] | None = None,
    only: Ranges | None = None,
) -> list[JobInfo]:
    """Like those of ``use.job_infos``; what waits in the queue counts as submitted, as for its
    status."""
    from ..use.job_infos import jobs

    if not waits_whole(registry, task_id):
        return jobs(registry, task_id, states, only)
    wanted = known_states(states)
    found = [  # some may have been released meanwhile
        replace(info, state="submitted") if info.state == "defined" else info
        for info in jobs(registry, task_id, None, only)
    ]
    return [info for info in found if wanted is None or info.state in wanted]


def collect(
    registry: Registry, task_id: str, only: Ranges | None = None
) -> Iterator[tuple[int, bytes | JobError]]:
    """Like that of ``use.collect``; what waits in the queue counts as submitted."""
    from ..use.collect import collect

    why = "waits in the queue of the server"
    waits = waits_whole(registry, task_id)
    for job, value in collect(registry, task_id, only):
        if waits and isinstance(value, JobError) and value.state == "defined":
            value = JobError(job, "submitted", "", why)
        yield job, value


def waits_whole(registry: Registry, task_id: str) -> bool:
    """Whether all of it waits in the queue: no attempt of it was made yet."""
    return bool(_entries(registry.root, task_id)) and not numbers(registry.layout(task_id))


def with_queue(root: str, status: TaskStatus) -> TaskStatus:
    """The status of a task of the registry ``root``, with what its server's queue has of it."""
    if not _entries(root, status.id):
        return status
    from .run_file import find_run

    idle = "" if find_run(root) else ", which does not run: hpcbatch server start"
    return status.waiting(f"waits in the queue of the server of this registry{idle}")


def withdraw(root: str, task_id: str, only: Ranges | None) -> None:
    """Drop what waits of a task, of which all jobs are canceled (``only`` is None). Raises
    StateError for some of them, and while the server runs: it may be about to release it."""
    entries = _entries(root, task_id)
    if not entries:
        return
    from .run_file import find_run

    if (run := find_run(root)) is not None:
        raise StateError(
            f"a submission of {task_id} waits in the queue of the server of this registry: "
            f"hpcbatch cancel {task_id} --site {run.address}"
        )
    if only is not None:
        raise cannot_part(task_id)
    for path in entries:
        unlink_quietly(path)


def cannot_part(task_id: str) -> StateError:
    return StateError(
        f"{task_id} waits in the queue of the server: single jobs of it can be canceled when it "
        "was released; all of them at any time"
    )


def _entries(root: str, task_id: str) -> list[str]:
    folder = QueueLayout(ServerLayout(root).queue).waiting
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return [f"{folder}/{name}" for name in names if queued_task(name) == task_id]
