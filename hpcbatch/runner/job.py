"""One call of the user's function: its arguments in, its outcome out, measured."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import time
from typing import Any, NoReturn

from ..disk.records import read_records
from ..words import events
from ..words.errors import DamagedFile
from ..words.events import pack_text
from .console import Console
from .leave import Leave
from .outcome import Outcome

MEASURED_FROM = 0.01  # seconds; the memory of shorter jobs is not looked up
PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes})


class Call:
    """The function stored at ``path``, for one job after another.

    ``names`` are those of the last inputs; the ones before are positional.
    It is unpickled by the first job, so that a crash of an import has a culprit; where that
    fails, every job has that error.
    """

    def __init__(self, path: str, kind: str, names: list[str]):
        self.path, self.kind, self.names = path, kind, names
        self._loaded: tuple[Any, dict[str, Any]] | None = None
        self._unloadable: BaseException | None = None
        self._console = Console()
        self._pid = os.getpid()

    def __call__(self, payload: bytes | DamagedFile) -> Outcome:
        begin, clock, cpu = self._console.position(), time.monotonic(), sum(os.times()[:4])
        outcome = self._outcome(payload)
        self._console.restore()
        outcome.log_begin, outcome.log_end = begin, self._console.position()
        outcome.cpu = sum(os.times()[:4]) - cpu
        if time.monotonic() - clock > MEASURED_FROM:
            outcome.memory = take_peak_memory()
        return outcome

    def _outcome(self, payload: bytes | DamagedFile) -> Outcome:
        try:
            if isinstance(payload, DamagedFile):
                raise payload
            function, constants = self._load()
            values = pickle.loads(payload)
            positional = len(values) - len(self.names)
            named = zip(self.names, values[positional:], strict=True)
            value = function(*values[:positional], **dict(named), **constants)
        except Leave:
            raise
        except BaseException as error:  # a job may raise anything, SystemExit included
            if os.getpid() != self._pid:
                end_forked_child(error)
            return Outcome(events.ERROR, pack_text(*describe(error)))
        if os.getpid() != self._pid:
            end_forked_child(None)
        try:
            return Outcome(events.DONE, dumps(value))
        except Leave:
            raise
        except BaseException as error:
            kind, message, trace = describe(error)
            said = f"the result (of type {type(value).__name__}) cannot be pickled: {message}"
            return Outcome(events.ERROR, pack_text(kind, said, trace))

    def _load(self) -> tuple[Any, dict[str, Any]]:
        if self._unloadable is not None:
            raise self._unloadable
        if self._loaded is None:
            try:
                parts = [payload for _, payload in read_records(self.path)]
                if len(parts) != 2:
                    raise DamagedFile(f"{self.path} is damaged: it was cut off or altered")
                function, constants = pickle.loads(parts[0]), pickle.loads(parts[1])
            except Exception as error:
                self._unloadable = error
                raise
            if self.kind == "shell":
                from .program import ShellProgram  # what it imports costs a start some time

                function = ShellProgram(function)
            self._loaded = function, constants
        return self._loaded


def dumps(value: Any) -> bytes:
    """Pickled so that classes and functions of ``__main__`` travel by value."""
    if type(value) in PLAIN:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    import cloudpickle

    return bytes(cloudpickle.dumps(value))


def describe(error: BaseException) -> tuple[str, str, str]:
    """Type, message and traceback as text, whatever the exception's own methods do."""
    import traceback

    try:
        message = str(error)
    except Leave:
        raise
    except BaseException as second:
        message = f"(its message cannot be shown: {type(second).__name__})"
    frames = error.__traceback__
    if frames is not None and frames.tb_next is not None:
        frames = frames.tb_next  # the first frame is ours
    try:
        lines = traceback.format_exception(type(error), error, frames)
    except Leave:
        raise
    except BaseException as second:
        lines = [f"{type(error).__name__} (its traceback cannot be shown: {second!r})\n"]
    return type(error).__name__, message, "".join(lines)


def end_forked_child(error: BaseException | None) -> NoReturn:
    """The job forked, and this is its child coming back: it ends as it would anywhere, and never
    writes what its parent will write."""
    status = 0
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        status = 1
        sys.stderr.write("".join(describe(error)[2]))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status & 0xFF)


def take_peak_memory() -> int:
    """Peak resident bytes since the last call (proc(5): VmHWM, reset through clear_refs)."""
    try:
        with open("/proc/self/status", "rb") as status:
            text = status.read()
        with open("/proc/self/clear_refs", "wb", buffering=0) as refs:
            refs.write(b"5")
    except OSError:
        return 0
    _, found, rest = text.partition(b"VmHWM:")
    return int(rest.split(None, 1)[0]) * 1024 if found else 0
