"""A result as its user gets it: the value, or the exception."""

from __future__ import annotations

import pickle
from typing import Any

from ..words.errors import RemoteError, WorkerLost
from ..worker import wire
from ..worker.wire import Failure
from .task import Result


def value_of(result: Result) -> Any:
    """Raises the task's exception, or what the unpickling of its value raises."""
    if result.how == wire.ERROR:
        raise exception_of(Failure(*result.value), result.status)
    return wire.unpack(result.how, result.value, result.parts)


def exception_of(failure: Failure, status: str = "error") -> BaseException:
    """The remote exception with its traceback as a note; one of ours where it does not travel."""
    kind, message, trace, pickled = failure
    if status == "crash":
        return WorkerLost(kind, message, trace)
    if pickled is not None:
        try:
            error = pickle.loads(pickled)
        except Exception:  # of a class that is not here
            return RemoteError(kind, message, trace)
        if isinstance(error, BaseException):
            error.__cause__ = _Trace(trace) if trace else None
            return error
    return RemoteError(kind, message, trace)


class _Trace(Exception):
    """Shows the traceback of the worker above that of this process, as multiprocessing does."""

    def __str__(self) -> str:
        return "\n" + str(self.args[0])
