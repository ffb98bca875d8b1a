"""The end of a forked child: it must not go on with what its parent does."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

TYPE_CHECKING = False  # see hpcbatch/__init__.py
if TYPE_CHECKING:
    from typing import NoReturn


def exit_with_status_of(work: Callable[[], int]) -> NoReturn:
    """End a forked child with the status that ``work`` returns; with 1, and a traceback, when it
    raises."""
    status = 1
    try:
        status = work()
    except BaseException:
        sys.excepthook(*sys.exc_info())  # nothing above this frame would show it
    finally:
        try:
            sys.stderr.flush()
        finally:
            os._exit(status)
