"""Every error of hpcbatch, in one tree.

HpcbatchError
├── UsageError                  what was asked for cannot be right; nothing was changed
│   ├── InputError              the inputs, the function or the constants
│   ├── ResourceError           a resource, or a value for one
│   ├── ConfigError             a configuration file, a template, an unknown cluster
│   ├── KeyFileError            a file that should hold a key
│   └── NotFound                no task, job or attempt of that name
├── RegistryError               the folder of tasks
│   ├── RegistryUnsafe          others could write there, and unpickling is running code
│   ├── RegistryUnwritable      no permission, no space, read-only
│   ├── RegistryBusy            a lock was not free in time
│   ├── DamagedFile             a file is cut off, or its checksum is wrong
│   └── NewerFormat             written by a newer hpcbatch
├── SchedulerError              a scheduler's program
│   ├── ProgramMissing          it is not on this host
│   ├── CommandTimeout          it did not answer in time
│   ├── CommandFailed           it ended with an error, or said what we cannot read
│   └── SubmissionError
│       ├── SubmissionRejected  final: the request itself is wrong
│       ├── SubmissionDeferred  temporary: limits, controller away
│       └── SubmissionUnclear   no answer: it may have been taken; status will tell
├── SiteError                   a site elsewhere
│   ├── SiteUnreachable         no answer: it may be away, or the network
│   ├── SiteNotReady            hpcbatch is not there, or not the same: remote setup
│   ├── ServerUnknown           its key is not known yet, and nobody has accepted it
│   ├── ServerChanged           its key is not the one that is known; nothing was sent
│   └── AccessDenied            a key or token that it does not know, or not for that
│       ├── NotAllowed          that user may not
│       └── TooManyFailures     after which it does not listen for a while
├── StateError                  the task is in no state for that
│   ├── AlreadySubmitted
│   ├── NotSubmitted
│   └── TaskStuck               all that is left of it waits for what will never come
├── PoolError                   a pool and its workers
│   ├── PoolClosed              it takes no more tasks, or belongs to another process
│   ├── LaunchError             workers cannot be launched, or a launcher is none
│   └── RemoteError             a task of a pool failed, and its exception cannot be brought here
│       └── WorkerLost          its workers were lost, time and again, while it ran
├── TaskFailed                  results were asked for and some jobs have none
├── JobError                    one job without a result, and why
└── WaitTimeout                 the task did not resolve in time
"""

from __future__ import annotations

from collections.abc import Iterable


class HpcbatchError(Exception):
    """Root of all errors raised by hpcbatch.

    ``may_pass``: the same may be done a little later, with nothing mended by anybody.
    """

    may_pass = False


class UsageError(HpcbatchError, ValueError):
    """What was asked for cannot be right; nothing was changed."""


class InputError(UsageError):
    """Inputs, function or constants that cannot become a task."""


class ResourceError(UsageError):
    """An unknown resource, or a value that is none."""


class ConfigError(UsageError):
    """A configuration file or template that cannot be used, or an unknown cluster."""


class KeyFileError(UsageError):
    """A file that should hold a key and cannot be used."""


class NotFound(UsageError, KeyError):
    """No task, job or attempt of that name."""

    def __str__(self) -> str:
        return Exception.__str__(self)


class RegistryError(HpcbatchError):
    """The folder of tasks cannot be used as asked."""


class RegistryUnsafe(RegistryError):
    """Others could write to the registry, and unpickling is running code."""


class RegistryUnwritable(RegistryError, OSError):
    """The registry cannot be written: permission, space or a read-only disk."""

    may_pass = True

    def __str__(self) -> str:
        return str(self.strerror or super().__str__())


class RegistryBusy(RegistryError):
    """Another process held a lock of the registry for too long."""

    may_pass = True


class DamagedFile(RegistryError):
    """A file of the registry is cut off or its checksum is wrong."""


class NewerFormat(RegistryError):
    """A file was written by a newer hpcbatch than this one."""


class SchedulerError(HpcbatchError):
    """A scheduler's program is missing, failed, or cannot be understood."""

    may_pass = True


class ProgramMissing(SchedulerError):
    """A scheduler's program is not on this host's PATH."""


class CommandTimeout(SchedulerError):
    """A scheduler's program did not answer in time."""


class CommandFailed(SchedulerError):
    """A scheduler's program ended with an error, or its answer cannot be read."""


class SubmissionError(SchedulerError):
    """A submission did not get through."""


class SubmissionRejected(SubmissionError):
    """The scheduler refused the request itself; asking again would not help."""

    may_pass = False


class SubmissionDeferred(SubmissionError):
    """The scheduler could not take the request now; the same request may pass later."""


class SubmissionUnclear(SubmissionError):
    """The scheduler did not answer: it may have taken the request, which a later status tells."""


class SiteError(HpcbatchError):
    """A site elsewhere cannot be used as asked."""


class SiteUnreachable(SiteError):
    """It does not answer: it may be away, or the network."""


class SiteNotReady(SiteError):
    """No hpcbatch of this version is there; ``hpcbatch remote setup`` makes it."""


class ServerUnknown(SiteError):
    """The server's key is not known yet, and nobody has accepted it; nothing was sent to it."""


class ServerChanged(SiteError):
    """The server's key is not the one that is known; nothing was sent to it."""


class AccessDenied(SiteError):
    """The server does not know the key or token, or it is not for that."""


class NotAllowed(AccessDenied):
    """The user is known, and may not do that."""


class TooManyFailures(AccessDenied):
    """The server does not listen for a while, because too many attempts have failed."""

    def __init__(self, message: str, retry_after: float = 0.0):
        super().__init__(message)
        self.retry_after = retry_after


class StateError(HpcbatchError):
    """The task is in no state for what was asked."""


class AlreadySubmitted(StateError):
    """Every job of the task was submitted before."""


class NotSubmitted(StateError):
    """The task was never submitted."""


class TaskStuck(StateError):
    """All that is left of a task waits for what will never come by itself."""


class JobError(HpcbatchError):
    """One job that has no result, and why.

    Attributes: ``index`` of the job, its ``state`` (``error``, ``expired``, ``canceled``, …),
    the remote exception's ``type`` and ``message`` (or the reason it expired), and its
    ``traceback`` as text, empty where there is none.
    """

    def __init__(self, index: int, state: str, type: str, message: str, traceback: str = ""):
        super().__init__(index, state, type, message, traceback)
        self.index, self.state, self.type = index, state, type
        self.message, self.traceback = message, traceback

    def __str__(self) -> str:
        told = f"{self.type}: {self.message}" if self.type else self.message
        return f"job {self.index} {self.state}: {told}"


class TaskFailed(HpcbatchError):
    """Results were asked for, and some jobs have none. ``failures`` are the JobErrors."""

    shown = 5

    def __init__(self, task_id: str, failures: Iterable[JobError], njobs: int):
        self.task_id, self.failures, self.njobs = task_id, list(failures), njobs
        super().__init__(task_id, self.failures, njobs)

    def __str__(self) -> str:
        lines = [f"{len(self.failures)} of {self.njobs} jobs of {self.task_id} have no result"]
        for failure in self.failures[: self.shown]:
            lines.append(f"\n{failure}")
            if failure.traceback:
                lines.append("  " + failure.traceback.rstrip().replace("\n", "\n  "))
        if len(self.failures) > self.shown:
            lines.append(f"\n… and {len(self.failures) - self.shown} more (see task.errors())")
        lines.append(
            '\nresubmit() runs again only these; collect(on_error="skip") goes on without them, '
            '"return" puts the errors in their places.'
        )
        return "\n".join(lines)


class PoolError(HpcbatchError):
    """A pool cannot do what was asked."""


class PoolClosed(PoolError, RuntimeError):
    """It was closed, or ended by somebody else, or belongs to another process than this one."""


class LaunchError(PoolError):
    """Workers cannot be launched, or what should launch them is no launcher."""


class RemoteError(PoolError):
    """A task of a pool failed on its worker, and the exception itself cannot be brought here.

    Attributes: the exception's ``type`` and ``message``, and its ``traceback`` as text.
    """

    def __init__(self, type: str, message: str, traceback: str = ""):
        super().__init__(type, message, traceback)
        self.type, self.message, self.traceback = type, message, traceback

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


class WorkerLost(RemoteError):
    """The workers of a task were lost, time and again, while it ran."""

    def __str__(self) -> str:
        return self.message


class WaitTimeout(HpcbatchError, TimeoutError):
    """The task did not resolve within the time given."""


class CodeWarning(UserWarning):
    """A module or file does not travel with the task, or travels as it was edited since its import;
    or the task's site has other packages than here."""
