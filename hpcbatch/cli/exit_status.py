"""Exit statuses: of errors, and of how a task stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..words.errors import (
    HpcbatchError,
    JobError,
    RegistryError,
    SchedulerError,
    SiteError,
    StateError,
    TaskFailed,
    UsageError,
    WaitTimeout,
)

if TYPE_CHECKING:
    from ..words.status import TaskStatus

DONE, FAILED, USAGE, WAITING, SCHEDULER, FILES, SITE = range(7)
INTERNAL, INTERRUPTED, BROKEN_PIPE = 70, 130, 141

HELP = """\
\b
Exit status:
  0    the command did its work; watch, map --wait, collect: all jobs are done
  1    some jobs failed: they are in error, expired or canceled
       (status, watch, map --wait, resubmit --wait, collect)
  2    the command line cannot be right; nothing was changed
  3    not yet: jobs are not resolved (collect, watch, remove, resubmit), or
       cannot be ended alone (cancel)
  4    the scheduler refused, or does not answer
  5    a file or the registry cannot be read or written
  6    a site does not answer, is another than is known, or lets nobody in by that key
  70   an error of hpcbatch itself; --debug shows where
  130  interrupted (Ctrl-C), or a question was answered with no
  141  the reader of a pipe went away"""

_STATUSES: tuple[tuple[type[BaseException], int], ...] = (
    (UsageError, USAGE),
    (RegistryError, FILES),
    (SchedulerError, SCHEDULER),
    (SiteError, SITE),
    (StateError, WAITING),
    (WaitTimeout, WAITING),
    (TaskFailed, FAILED),
    (JobError, FAILED),
    (OSError, FILES),
)


def status_of(kind: type[BaseException]) -> int:
    """The exit status of a command that an error of this kind ends."""
    for known, status in _STATUSES:
        if issubclass(kind, known):
            return status
    return FAILED if issubclass(kind, HpcbatchError) else INTERNAL


def exit_of(status: TaskStatus) -> int:
    """1 when jobs failed, else 0."""
    from ..words.model import UNSUCCESSFUL

    return FAILED if any(status.counts[state] for state in UNSUCCESSFUL) else DONE


def final_exit(status: TaskStatus) -> int:
    """Like ``exit_of``; 3 while jobs wait, run, or were never submitted."""
    from ..words.model import ALIVE

    if any(status.counts[state] for state in (*ALIVE, "defined")):
        return WAITING
    return exit_of(status)
