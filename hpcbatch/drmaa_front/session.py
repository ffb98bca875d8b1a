"""One DRMAA session: submit an array, ask about jobs, end them (GFD.133, sections on job
submission, monitoring and control). Jobs of other sessions can be asked about and ended there,
never waited for."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..words.errors import SchedulerError, SubmissionDeferred
from . import native
from .directives import Directives
from .systems import native_specification

_OVER = ("done", "failed")  # of one that is not ours to wait for: it is no longer in the queue
_HELD_BACK = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Session:
    """Use it with ``with``. Raises ProgramMissing, and what ``refused`` makes of an error."""

    def __init__(self, refused: Callable[[Exception], SchedulerError] = native.failed):
        self._drmaa = native.load()
        # a message that is no text of this locale (UnicodeDecodeError) says that something failed
        self._failures = (self._drmaa.errors.DrmaaException, ValueError)
        self._session = self._drmaa.Session()
        try:
            self._session.initialize()
            self.drms = str(self._session.drmsInfo)
        except self._failures as error:
            raise refused(error) from error

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._session.exit()
        except self._failures:
            pass  # jobs do not depend on it

    def submit(
        self,
        asked: Directives,
        argv: Sequence[str],
        keep: Callable[[list[str]], None],
        is_wanted: Callable[[], bool],
    ) -> None:
        """Run ``argv`` as elements 1 to n; ``keep`` gets their ids before a signal is let in.

        Raises SubmissionRejected, SubmissionDeferred, SubmissionUnclear.
        """
        template = self._template(asked, argv)
        signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
        try:
            if not is_wanted():
                raise SubmissionDeferred("whoever submitted it did not wait")
            keep(list(map(str, self._session.runBulkJobs(template, 1, asked.elements, 1))))
        except self._failures as error:
            raise native.at_submission(error, self.drms) from error
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)

    def _template(self, asked: Directives, argv: Sequence[str]) -> Any:
        try:
            template = self._session.createJobTemplate()
            made = self._with_walltime(template, asked)
            template.remoteCommand, template.args = argv[0], list(argv[1:])
            template.jobName, template.workingDirectory = asked.name, "/"
            template.joinFiles, template.outputPath = True, ":/dev/null"
            template.nativeSpecification = native_specification(asked, self.drms, made)
        except self._failures as error:
            raise native.at_start(error) from error
        return template

    def _with_walltime(self, template: Any, asked: Directives) -> tuple[str, ...]:
        """The attribute is optional; Grid Engine, for one, has none."""
        if asked.walltime is None or "drmaa_wct_hlimit" not in template.attributeNames:
            return ()
        template.hardWallclockTimeLimit = asked.walltime
        return ("walltime",)

    def state(self, job: str) -> str | None:
        """The word of DRMAA, None when it is no longer there. Raises CommandFailed."""
        try:
            word = str(self._session.jobStatus(job))
        except self._drmaa.errors.InvalidJobException:
            return None
        except self._failures as error:
            raise native.failed(error) from error
        return None if word in _OVER else word

    def terminate(self, jobs: Iterable[str]) -> None:
        """Those that have ended are left alone. Raises CommandFailed."""
        for job in jobs:
            try:
                self._session.control(job, self._drmaa.JobControlAction.TERMINATE)
            except self._drmaa.errors.InvalidJobException:
                continue
            except self._failures as error:
                raise native.failed(error) from error
