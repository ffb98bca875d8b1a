"""Callables that can go on where they were: those with a method ``checkpoint()``.

Asked when their element must leave, after the job's stack has unwound. What it returns, or the
callable itself where it returns None, is what the next attempt of this job calls.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from typing import Any

from ..disk.files import publish, read

SIGNAL = "SIGUSR2"  # that an element sends itself ahead of its time limit
LONGEST_MARGIN = 60.0  # seconds before the time limit
SHARE = 0.1  # of the time limit, when that is less


def save(function: Any, path: str) -> None:
    """Ask for a checkpoint and store it. What goes wrong is told in the log: the job then begins
    anew in its next attempt."""
    import traceback

    import cloudpickle

    if not callable(getattr(function, "checkpoint", None)):
        return  # it came from a checkpoint itself, which stays
    try:
        answer = function.checkpoint()
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        publish(path, cloudpickle.dumps(function if answer is None else answer))
    except BaseException:  # a user's method may raise anything, SystemExit included
        print("hpcbatch: no checkpoint was stored:", file=sys.stderr)
        traceback.print_exc()


def load(path: str, pickled: bytes) -> Any:
    """The stored callable, else a new one as ``pickled``."""
    try:
        return pickle.loads(read(path))
    except FileNotFoundError:
        return pickle.loads(pickled)


def warn_before(seconds: float) -> None:
    """Send this process SIGNAL in time before its limit, ``seconds`` from now, ends it."""
    import signal

    pause = seconds - min(LONGEST_MARGIN, seconds * SHARE)
    number = getattr(signal, SIGNAL)
    timer = threading.Timer(max(pause, 0.0), os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()
