"""A site: where a registry and its clusters live. The verbs, with plain data in and out, are the
same for each; a handle is a site and an id."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..disk.files import unreadable
from ..words.errors import HpcbatchError, SiteUnreachable
from ..words.look import Look

if TYPE_CHECKING:
    from ..cluster.overview import Overview
    from ..registry.draft import Draft
    from ..use.cancel import Canceled
    from ..use.preview import Preview
    from ..use.resubmit import Resubmission
    from ..words.errors import JobError
    from ..words.model import Attempt, TaskSpec
    from ..words.options import SubmitOptions
    from ..words.ranges import Ranges
    from ..words.status import JobInfo, TaskStatus


class Site(ABC):
    """Every verb raises what the verb of its name in ``use`` does; ``task_id`` is a whole id."""

    place: str  # as a person knows it: a folder, or an address
    tends_itself = False  # it retries, and submits what was held back, when nobody watches

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.place}>"

    @abstractmethod
    def create(self, draft: Draft) -> TaskSpec:
        """Store a new task, whole or not at all; returns its specification with id and job
        count."""

    @abstractmethod
    def find(self, text: str) -> str:
        """The id that ``text`` means: an id, its unique beginning, or ``last``. Raises NotFound."""

    @abstractmethod
    def spec(self, task_id: str) -> TaskSpec:
        """What was asked for. Raises NotFound."""

    @abstractmethod
    def specs(self) -> list[TaskSpec]:
        """All tasks that can be read, oldest first; warns of the others."""

    @abstractmethod
    def folder(self, task_id: str) -> str:
        """Where the task lies on the disk of its site."""

    @abstractmethod
    def checked(self, options: SubmitOptions) -> SubmitOptions:
        """With whole ids of tasks. What is wrong with the options is told here, where that can be
        known before anything is stored."""

    @abstractmethod
    def clusters(self) -> Overview:
        """The clusters of the site. Raises ConfigError."""

    @abstractmethod
    def preview(self, spec: TaskSpec, options: SubmitOptions) -> Preview:
        """The script that a submission of a task like ``spec`` would be there; nothing is
        stored."""

    @abstractmethod
    def submit(self, task_id: str, options: SubmitOptions) -> Attempt | None:
        """Submit the jobs that never were; None where that waits for its turn."""

    @abstractmethod
    def resubmit(self, task_id: str, asked: Resubmission) -> Attempt | None:
        """Submit again the jobs without a result; None when no chosen job is without one, or
        where that waits for its turn."""

    @abstractmethod
    def cancel(self, task_id: str, only: Ranges | None = None) -> Canceled:
        """Cancel what is not resolved, or those of the jobs ``only``. Safe to repeat."""

    @abstractmethod
    def remove(self, task_id: str) -> None:
        """Delete a task and its results. Raises StateError while jobs of it are alive."""

    @abstractmethod
    def status(self, task_id: str, look: Look = Look.ONCE) -> TaskStatus:
        """Counts of jobs by state, as they are now."""

    @abstractmethod
    def track(self, task_id: str, begins: bool = False) -> TaskStatus:
        """The status; and what whoever watches a task does: retries, and what was held back. Who
        ``begins`` to watch has what failed tried at once."""

    def statuses(
        self, task_ids: Sequence[str] | None, tracks: bool = False, begins: bool = False
    ) -> Iterable[tuple[str, TaskStatus | HpcbatchError]]:
        """Of several tasks (None: of all), in their order, or why there is none; ``tracks`` as
        ``track`` does, except of what is at rest since it was last asked."""
        for task_id in [spec.id for spec in self.specs()] if task_ids is None else task_ids:
            yield task_id, self._status_or_error(task_id, tracks, begins)

    def _status_or_error(
        self, task_id: str, tracks: bool, begins: bool
    ) -> TaskStatus | HpcbatchError:
        try:
            return self._tracked(task_id, begins) if tracks else self.status(task_id)
        except SiteUnreachable:
            raise  # it is no task's
        except HpcbatchError as error:
            return error
        except OSError as error:
            return unreadable(error.filename or self.folder(task_id), error)

    def _tracked(self, task_id: str, begins: bool) -> TaskStatus:
        return self.track(task_id, begins)

    @abstractmethod
    def jobs(
        self,
        task_id: str,
        states: str | Sequence[str] | None = None,
        only: Ranges | None = None,
    ) -> list[JobInfo]:
        """The jobs in some of the states (None: in any), in order."""

    @abstractmethod
    def resolved_jobs(self, task_id: str) -> Ranges:
        """The jobs that are not alive, and will not be by a retry."""

    @abstractmethod
    def collect(
        self, task_id: str, only: Ranges | None = None
    ) -> Iterator[tuple[int, bytes | JobError]]:
        """(job, pickled value or why there is none) of all jobs, or of some, in order."""

    @abstractmethod
    def errors(self, task_id: str) -> list[JobError]:
        """Jobs that failed, with what is known of why."""

    @abstractmethod
    def newest_failures(self, task_id: str, limit: int) -> list[JobError]:
        """Jobs in error or expired, the newest first; where more than 10,000 failed, the newest of
        those with the lowest numbers."""

    @abstractmethod
    def log(self, task_id: str, job: int) -> str:
        """What a job printed."""

    @abstractmethod
    def element_log(self, task_id: str, attempt: int, element: int, begin: int) -> bytes:
        """An element's log from the byte ``begin``; empty where there is nothing (yet)."""

    @abstractmethod
    def modules(self, task_id: str) -> list[str]:
        """Archives, on this machine, of the modules that the task's results may need."""
