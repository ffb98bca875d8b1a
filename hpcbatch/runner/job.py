"""One call of the user's function: its arguments in, its outcome out, measured."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

from ..disk.files import unlink_quietly
from ..disk.records import read_records
from ..words import events
from ..words.assignment import Assignment
from ..words.errors import DamagedFile
from ..words.events import pack_text
from ..words.layout import TaskLayout
from ..words.plain_types import PLAIN_TYPES
from .console import Console
from .exceptions import describe
from .leaving import Leave
from .outcome import Outcome

if TYPE_CHECKING:
    from .program import ShellProgram

MEASURED_FROM = 0.01  # seconds; the memory of shorter jobs is not looked up


class JobCall:
    """The task's function, for one job after another.

    It is unpickled by the first job, so that a crash of an import has a culprit; where that
    fails, every job has that error. A callable with ``checkpoint()`` is made anew for each job,
    and goes on from the checkpoint of the job's attempt before.
    """

    def __init__(self, layout: TaskLayout, assignment: Assignment):
        self._layout, self._assignment = layout, assignment
        self._parts: list[bytes] = []
        self._function: Any = None
        self._program: ShellProgram | None = None
        self._childrens_peak = 0
        self.has_checkpoint = False
        self._loaded_for: int | None = None  # the job whose callable it is
        self._constants: dict[str, Any] = {}
        self._unloadable: BaseException | None = None
        self._console = Console()
        self._pid = os.getpid()
        self._ended: tuple[int, float] | None = None  # where the job before had come to

    def __call__(self, job: int, payload: bytes | DamagedFile) -> Outcome:
        begin, cpu = self._ended or self._spent()  # little is spent between two jobs
        clock = time.monotonic()
        outcome = self._outcome(job, payload)
        self._console.restore()
        self._ended = end, cpu_after = self._spent()
        outcome.log_begin, outcome.log_end, outcome.cpu = begin, end, cpu_after - cpu
        if time.monotonic() - clock > MEASURED_FROM:
            outcome.memory = max(take_peak_memory(), self._childrens_memory())
        return outcome

    def _childrens_memory(self) -> int:
        """Peak bytes of a job's program; of what another job started where that is known: when it
        needed more than all children before (getrusage(2): there is one peak for all)."""
        if self._program is not None:
            return self._program.memory
        import resource  # few jobs take so long

        before = self._childrens_peak
        self._childrens_peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        return self._childrens_peak if self._childrens_peak > before else 0

    def log_position(self) -> int:
        """Bytes in the element's log so far."""
        return self._console.position()

    def _spent(self) -> tuple[int, float]:
        """Bytes in the element's log, and CPU seconds of this process and its children, so far."""
        user, system, childrens_user, childrens_system, _ = os.times()
        return self.log_position(), user + system + childrens_user + childrens_system

    def be_child(self) -> None:
        """From now on this process, which was forked, is the one to run jobs."""
        self._pid = os.getpid()

    def prepare(self) -> None:
        """Load the function, if it is not there yet; a job will tell what went wrong."""
        if self._parts or self._unloadable is not None:
            return
        try:
            self._parts = _function_parts(f"{self._layout.folder}/{self._assignment.function}")
            _keep_modules(self._parts)
            self._function, self._constants = map(pickle.loads, self._parts)
        except Leave:
            raise
        except BaseException as error:  # unpickling runs the user's code, which may even exit
            self._unloadable = error
            return
        self.has_checkpoint = callable(getattr(self._function, "checkpoint", None))
        if self._assignment.kind == "shell":
            from .program import ShellProgram  # what it imports costs a start some time

            self._program = ShellProgram(self._function, self._assignment.launch)
            self._function = self._program

    def save_checkpoint(self, job: int) -> None:
        """Ask the callable whose job was ended for its checkpoint, if it has such a thing."""
        if self.has_checkpoint and self._loaded_for == job:
            from .checkpoints import save

            save(self._function, self._checkpoint(job))

    def forget_checkpoint(self, job: int) -> None:
        """When its result is on disk."""
        unlink_quietly(self._checkpoint(job))

    def _outcome(self, job: int, payload: bytes | DamagedFile) -> Outcome:
        try:
            if isinstance(payload, DamagedFile):
                raise payload
            self.prepare()
            if self._unloadable is not None:
                raise self._unloadable
            if self.has_checkpoint:
                self._load_checkpoint(job)
            values = pickle.loads(payload)
            names = self._assignment.names
            positional = len(values) - len(names)
            named = zip(names, values[positional:], strict=True)
            value = self._function(*values[:positional], **dict(named), **self._constants)
        except Leave:
            raise
        except BaseException as error:  # a job may raise anything, SystemExit included
            if os.getpid() != self._pid:
                end_forked_child(error)
            return Outcome(events.ERROR, pack_text(*describe(error, Leave)))
        if os.getpid() != self._pid:
            end_forked_child(None)
        try:
            return Outcome(events.DONE, dumps(value))
        except Leave:
            raise
        except BaseException as error:
            kind, message, trace = describe(error, Leave)
            said = f"the result (of type {type(value).__name__}) cannot be pickled: {message}"
            return Outcome(events.ERROR, pack_text(kind, said, trace))

    def _checkpoint(self, job: int) -> str:
        return self._layout.checkpoint(job, self._assignment.function)

    def _load_checkpoint(self, job: int) -> None:
        from .checkpoints import load

        self._function = load(self._checkpoint(job), self._parts[0])
        self._loaded_for = job


def _function_parts(path: str) -> list[bytes]:
    """The pickled callable and constants. Raises DamagedFile."""
    parts = [payload for _, payload in read_records(path)]
    if len(parts) != 2:
        raise DamagedFile(
            f"{path} is damaged: it was cut off or altered; put it back from a backup, or create "
            "the task anew"
        )
    return parts


def _keep_modules(parts: list[bytes]) -> None:
    """Garbage is collected from now on, as boot.py has put off, but not looked for among the
    modules that are loaded: none of them is the user's yet."""
    if any(b"cloudpickle" in part for part in parts):
        import cloudpickle  # noqa: F401
    gc.freeze()
    gc.enable()


def dumps(value: Any) -> bytes:
    """Pickled so that classes and functions of ``__main__`` travel by value."""
    if type(value) in PLAIN_TYPES:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    import cloudpickle

    return bytes(cloudpickle.dumps(value))


def end_forked_child(error: BaseException | None) -> NoReturn:
    """The job forked, and this is its child coming back: it ends as it would anywhere, and never
    writes what its parent will write."""
    status = 0
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        status = 1
        sys.stderr.write("".join(describe(error, Leave)[2]))
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
