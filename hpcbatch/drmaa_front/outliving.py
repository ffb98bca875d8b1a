"""A submission that was begun is finished: whoever waits for it may be killed, with all of its
process group, between the scheduler's answer and the note of the ids; and DRMAA finds no job by
its name."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from ..disk.forked_child import exit_with_status_of


def outlive(work: Callable[[Callable[[], bool]], int]) -> int:
    """The exit status of ``work``, done in a session of its own. It gets a question to ask before
    what cannot be taken back: is the caller still there?

    A library with threads is not to be loaded before.
    """
    caller = os.getpid()
    child = os.fork()
    if child == 0:

        def finish() -> int:
            os.setsid()
            status = work(lambda: os.getppid() == caller)
            sys.stdout.flush()
            return status

        exit_with_status_of(finish)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code
