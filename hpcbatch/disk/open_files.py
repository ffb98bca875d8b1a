"""How many files a process may have open: sockets are such as well."""

from __future__ import annotations

import contextlib
import math
import resource


def allow_open_files(wanted: int) -> float:
    """Raise the soft limit to so many, or to the hard one; returns what it is then."""
    both = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = (math.inf if each == resource.RLIM_INFINITY else each for each in both)
    most = min(wanted, hard)
    if soft < most:
        with contextlib.suppress(ValueError, OSError):  # it goes on with those that it has
            resource.setrlimit(resource.RLIMIT_NOFILE, (int(most), both[1]))
            return most
    return soft
