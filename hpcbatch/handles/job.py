"""The handle of one job: what was known of it when it was asked for, and its result."""

from __future__ import annotations

from typing import Any

from ..sites.base import Site
from ..words.errors import JobError
from ..words.ranges import Ranges
from ..words.status import JobInfo
from .loading import Loader


class Job:
    """One call of the task's function, as it was when it was asked for."""

    def __init__(self, site: Site, task_id: str, info: JobInfo):
        self._site, self._task_id = site, task_id
        self.stats = info

    @property
    def index(self) -> int:
        return self.stats.index

    @property
    def state(self) -> str:
        return self.stats.state

    @property
    def reason(self) -> str:
        """Why it is in error or expired; empty otherwise."""
        return self.stats.reason

    @property
    def traceback(self) -> str:
        """The remote traceback, or the end of the log of an expired job; else empty."""
        found = self._asked()
        return found.traceback if isinstance(found, JobError) else ""

    def result(self) -> Any:
        """What the function returned. Raises JobError when there is no result."""
        found = self._asked()
        if isinstance(found, JobError):
            raise found
        return Loader(self._site, self._task_id).load(self.index, found)

    def log(self) -> str:
        """What the job printed."""
        return self._site.log(self._task_id, self.index)

    def __repr__(self) -> str:
        return f"<Job {self.index} of {self._task_id}: {self.state}>"

    def _asked(self) -> bytes | JobError:
        only = Ranges([(self.index, self.index + 1)])
        _, found = next(self._site.collect(self._task_id, only))
        return found
