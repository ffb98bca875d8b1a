"""The site on this machine: a registry on its disk, and the clusters that it can submit to.

Verbs are imported when they are called: a command that only looks need not load what submits.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..registry.registry import Registry
from ..words.look import Look
from . import queued
from .base import Site

if TYPE_CHECKING:
    from ..cluster.overview import Overview
    from ..registry.draft import Draft
    from ..use.cancel import Canceled
    from ..use.preview import Preview
    from ..use.resubmit import Resubmission
    from ..words.errors import HpcbatchError, JobError
    from ..words.model import Attempt, TaskSpec
    from ..words.options import SubmitOptions
    from ..words.ranges import Ranges
    from ..words.status import JobInfo, TaskStatus


class Here(Site):
    """The registry in the folder ``root``, by default ``$HPCBATCH_ROOT`` or ``~/.hpcbatch``.

    Raises RegistryUnsafe, RegistryUnwritable.
    """

    def __init__(self, root: str | None = None):
        self.registry = Registry(root)
        self.place = self.registry.root
        self._at_rest: dict[str, tuple[int, TaskStatus]] = {}  # and the newest attempt before it

    def create(self, draft: Draft) -> TaskSpec:
        from ..runner.bundle import check_not_on_node

        check_not_on_node()
        return self.registry.create(draft)

    def find(self, text: str) -> str:
        return self.registry.find(text)

    def spec(self, task_id: str) -> TaskSpec:
        return self.registry.spec(task_id)

    def specs(self) -> list[TaskSpec]:
        return self.registry.specs()

    def folder(self, task_id: str) -> str:
        return self.registry.layout(task_id).folder

    def checked(self, options: SubmitOptions) -> SubmitOptions:
        from ..cluster.cluster import Cluster
        from ..use.submit import checked

        Cluster.named(options.cluster).check_here()
        return checked(self.registry, options, task_id="")

    def clusters(self) -> Overview:
        from ..cluster.overview import overview

        return overview(self.place)

    def preview(self, spec: TaskSpec, options: SubmitOptions) -> Preview:
        from ..use.preview import preview

        return preview(self.registry, spec, options)

    def submit(self, task_id: str, options: SubmitOptions) -> Attempt:
        from ..use.submit import submit_defined

        return submit_defined(self.registry, self.spec(task_id), options)

    def resubmit(self, task_id: str, asked: Resubmission) -> Attempt | None:
        from ..use.resubmit import resubmit

        return resubmit(self.registry, task_id, asked)

    def cancel(self, task_id: str, only: Ranges | None = None) -> Canceled:
        from ..use.cancel import cancel

        queued.withdraw(self.place, task_id, only)
        return cancel(self.registry, task_id, only)

    def remove(self, task_id: str) -> None:
        from ..use.remove import remove

        remove(self.registry, task_id)

    def status(self, task_id: str, look: Look = Look.ONCE) -> TaskStatus:
        from ..use import service

        return queued.with_queue(self.place, service.status(self.registry, task_id, look))

    def track(self, task_id: str, begins: bool = False) -> TaskStatus:
        from ..use import service

        return queued.with_queue(self.place, service.track(self.registry, task_id, begins))

    def statuses(
        self, task_ids: Sequence[str] | None, tracks: bool = False, begins: bool = False
    ) -> Iterable[tuple[str, TaskStatus | HpcbatchError]]:
        """Also of tasks that cannot be read, where all are asked for."""
        ids = self.registry.ids() if task_ids is None else task_ids
        return super().statuses(ids, tracks, begins)

    def _tracked(self, task_id: str, begins: bool) -> TaskStatus:
        from ..registry.attempts import last_recorded

        layout = self.registry.layout(task_id)
        last = last_recorded(layout)  # first: one may be made meanwhile
        known = self._at_rest.get(task_id)
        if known is not None and known[0] == last and os.path.exists(layout.spec):
            return known[1]
        found = self.track(task_id, begins)
        if found.idle:
            self._at_rest[task_id] = last, found
        return found

    def jobs(
        self,
        task_id: str,
        states: str | Sequence[str] | None = None,
        only: Ranges | None = None,
    ) -> list[JobInfo]:
        return queued.jobs(self.registry, task_id, states, only)

    def resolved_jobs(self, task_id: str) -> Ranges:
        from ..use import service

        return service.resolved_jobs(self.registry, task_id)

    def collect(
        self, task_id: str, only: Ranges | None = None
    ) -> Iterator[tuple[int, bytes | JobError]]:
        return queued.collect(self.registry, task_id, only)

    def errors(self, task_id: str) -> list[JobError]:
        from ..use.collect import errors

        return errors(self.registry, task_id)

    def newest_failures(self, task_id: str, limit: int) -> list[JobError]:
        from ..use.newest_failures import newest_failures

        return newest_failures(self.registry, task_id, limit)

    def log(self, task_id: str, job: int) -> str:
        from ..use.job_logs import log

        return log(self.registry, task_id, job)

    def element_log(self, task_id: str, attempt: int, element: int, begin: int) -> bytes:
        from ..use.job_logs import element_log

        return element_log(self.registry, task_id, attempt, element, begin)

    def modules(self, task_id: str) -> list[str]:
        from ..registry.attempts import code_archives

        return code_archives(self.registry.layout(task_id))
