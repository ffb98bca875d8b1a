"""The DRMAA library: room for it, loading it, and its errors in our words."""

from __future__ import annotations

import os
import sys
from typing import Any

from ..words.errors import (
    CommandFailed,
    ProgramMissing,
    SchedulerError,
    SubmissionDeferred,
    SubmissionRejected,
    SubmissionUnclear,
)
from .systems import system

LIBRARY = "DRMAA_LIBRARY_PATH"
ROOM = "glibc.rtld.optional_static_tls"
TUNABLES = f"{ROOM}=4096"

# names of GFD.133 as python-drmaa spells them
_LATER = ("TryLaterException", "OutOfMemoryException")
_LATER_AT_START = (*_LATER, "DrmCommunicationException", "DrmsInitException")
_REFUSED = (
    "AuthorizationException",
    "ConflictingAttributeValuesException",
    "DeniedByDrmException",
    "InvalidArgumentException",
    "InvalidAttributeFormatException",
    "InvalidAttributeValueException",
    "InvalidJobTemplateException",
    "UnsupportedAttributeException",
)


def make_room() -> None:
    """Start this program anew where the library would not load.

    A library with static thread-local storage of its own (libjemalloc, in Debian 12's) finds none
    left once Python runs, and the C library reads its tunables at the start of a process only
    (ld.so(8)). Nothing may have been read from standard input yet.
    """
    known = os.environ.get("GLIBC_TUNABLES", "")
    if ROOM not in known:
        environment = {**os.environ, "GLIBC_TUNABLES": f"{known}:{TUNABLES}".lstrip(":")}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def load() -> Any:
    """The module python-drmaa. Raises ProgramMissing."""
    if not os.environ.get(LIBRARY):
        os.environ.pop(LIBRARY, None)  # python-drmaa takes an empty one for a path
    try:
        import drmaa
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise ProgramMissing(
            f"the DRMAA library cannot be loaded on this host ({error}): {LIBRARY} is to name "
            "it, such as /usr/lib/gridengine-drmaa/lib/libdrmaa.so.1.0"
        ) from error
    return drmaa


def at_start(error: Exception) -> SchedulerError:
    """Of a session that did not begin, or a job that was not described: nothing was submitted."""
    if type(error).__name__ in _LATER_AT_START:
        return SubmissionDeferred(said(error))
    return SubmissionRejected(said(error))


def at_submission(error: Exception, drms: str) -> SchedulerError:
    """Of ``drmaa_run_bulk_jobs``."""
    text, name = said(error), type(error).__name__
    if name not in (*_LATER, *_REFUSED):
        return SubmissionUnclear(text)
    words = system(drms).deferred_words
    if name in _LATER or any(word in text for word in words):
        return SubmissionDeferred(text)
    return SubmissionRejected(text)


def failed(error: Exception) -> SchedulerError:
    """Of a question or a cancel."""
    return CommandFailed(said(error))


def said(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__.removesuffix('Exception')}: {text}"
