"""How an element calls its function: in this process, or each job in one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..words.assignment import Assignment
from ..words.errors import DamagedFile
from ..words.layout import TaskLayout
from .job import JobCall
from .leaving import Leave, Leaving, tell_of_swallowing
from .markers import Markers
from .outcome import Outcome
from .segment import Segment

if TYPE_CHECKING:
    from .isolated import IsolatedCall


class JobCalls:
    def __init__(
        self, layout: TaskLayout, assignment: Assignment, markers: Markers, leaving: Leaving
    ):
        self._assignment, self._markers, self._leaving = assignment, markers, leaving
        self._call = JobCall(layout, assignment)
        self._isolates = assignment.isolate or assignment.job_timeout is not None
        self._is_prepared = False
        self._run: JobCall | IsolatedCall = self._call

    def outcome(self, job: int, payload: bytes | DamagedFile) -> Outcome | None:
        """None for a job that was ended because it is no longer wanted.

        Raises Leave where a signal ended the job; its checkpoint, if any, is stored then.
        """
        self._leaving.in_job = True
        if self._leaving.reason:  # asked since the last look: nothing is raised for it any more
            self._leaving.in_job = False
            raise Leave(self._leaving.reason)
        try:
            if not self._is_prepared:
                self._prepare()
            outcome = self._run(job, payload)
            if self._leaving.has_raised:
                tell_of_swallowing(job)
                raise Leave(self._leaving.reason)
        except Leave:
            self._leaving.in_job = False
            if not self._isolates:
                self._call.save_checkpoint(job)
            raise
        self._leaving.in_job = False
        return outcome

    def finished(self, job: int, segment: Segment) -> None:
        """Its result is in ``segment``: until that is on disk, its checkpoint is all there is."""
        if self._call.has_checkpoint:
            segment.flush()
            self._call.forget_checkpoint(job)

    def _prepare(self) -> None:
        self._is_prepared = True
        self._call.prepare()
        if self._isolates:
            self._run = self._isolated()
        if self._call.has_checkpoint and self._assignment.element_walltime is not None:
            from .checkpoints import warn_before

            warn_before(self._leaving.seconds_left())

    def _isolated(self) -> IsolatedCall:
        from .isolated import IsolatedCall

        return IsolatedCall(self._call, self._assignment.job_timeout, self._unwanted)

    def _unwanted(self, job: int) -> str:
        """Why a job that runs is no longer wanted: its element's reason, or its own. Raises Leave
        when the element was asked to leave and what was raised then got lost."""
        if self._leaving.reason:
            raise Leave(self._leaving.reason)
        reason, own = self._markers.look(job)
        return reason or own
