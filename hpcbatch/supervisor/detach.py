"""From the submitting command to a supervisor that outlives it and its terminal."""

from __future__ import annotations

import os
import select
import signal
import time

from ..disk.forked_child import exit_with_status_of
from ..words.errors import HpcbatchError, SubmissionDeferred
from .daemon import Daemon
from .process import close_all_but
from .submission import Submission, remove_folder

TYPE_CHECKING = False  # see hpcbatch/__init__.py
if TYPE_CHECKING:
    from typing import Any

_STAND_SECONDS = 30.0
_STANDS = b"stands"


def start(submission: Submission, asked: dict[str, Any]) -> None:
    """Return when the supervisor stands and the submission can be found.

    Raises SubmissionDeferred; nothing of it then runs.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            os.setsid()
            if os.fork() == 0:
                exit_with_status_of(lambda: _supervise(submission, asked, writer))
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    answer = _hear(reader)
    if answer is None:
        submission.request_cancel(None, 0)
        raise SubmissionDeferred(f"the supervisor did not stand within {_STAND_SECONDS:.0f} s")
    if answer != _STANDS:
        remove_folder(submission.folder)
        raise SubmissionDeferred(answer.decode() or "the supervisor died before it stood")


def _supervise(submission: Submission, asked: dict[str, Any], writer: int) -> int:
    """The exit status."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    os.umask(0o077)
    daemon = Daemon(submission, asked)
    try:
        _leave_files(submission.path("log"), writer)
        daemon.stand()
    except (HpcbatchError, OSError) as error:
        _tell(writer, str(error).encode())
        return 1
    _tell(writer, _STANDS)
    daemon.run()
    return 0


def _leave_files(log: str, keep: int) -> None:
    null = os.open("/dev/null", os.O_RDONLY)
    told = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for fd, target in ((null, 0), (told, 1), (told, 2)):
        os.dup2(fd, target)
    close_all_but(keep)


def _tell(writer: int, text: bytes) -> None:
    try:
        os.write(writer, text)
    except BrokenPipeError:
        pass  # the submitter was killed: the submission is found by its name
    os.close(writer)


def _hear(reader: int) -> bytes | None:
    """All that is said until the other end is closed; None when that takes too long."""
    answer, give_up = b"", time.monotonic() + _STAND_SECONDS
    while select.select([reader], [], [], max(give_up - time.monotonic(), 0))[0]:
        more = os.read(reader, 4096)
        if not more:
            return answer
        answer += more
    return None
