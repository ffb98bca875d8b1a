"""Jobs that are programs: a shell command line with a placeholder for each argument."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import stat
import string
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from ..disk.files import write_all
from ..disk.process_tree import descendants, kill, terminate
from . import seeding
from .leaving import ASKED_TOO

TAIL = 2000  # bytes, or characters, of what it printed that an error shows
PART = 1 << 16  # bytes that are read at once
LEAVES_WITHIN = 3.0  # seconds that it has to end once we have asked it
SHELL_SAYS = {  # by exit status (sh(1), of POSIX)
    126: ": a program that cannot be run",
    127: ": a program that was not found",
}


class ProgramFailed(Exception):
    """The program ended with an exit status other than 0."""


class _Quoting(string.Formatter):
    """Fills the placeholders of a template with values quoted for the shell."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return shlex.quote(str(super().format_field(value, format_spec)))


class ShellProgram:
    """Runs the filled-in command by ``/bin/sh``, behind the words ``launch`` (srun, mpiexec).

    Returns ``{"status": 0, "output": text of standard output}``; raises ProgramFailed for any
    other exit status, with the template, since the values are the job's inputs, and the end of
    what it printed. All that it prints is in the element's log at once. ``memory`` is the peak in
    bytes of whichever process of the last command had most.
    """

    def __init__(self, template: str, launch: Sequence[str] = ()):
        self.template, self.launch = template, launch
        self.memory = 0

    def __call__(self, **values: Any) -> dict[str, Any]:
        own = {"index": seeding.current_job(), "seed": seeding.current_seed()}
        command = _Quoting().vformat(self.template, (), {**own, **values})
        begin = _log_size()
        status, output = self._run([*self.launch, "/bin/sh", "-c", command])
        text = output.decode("utf-8", "replace")
        if status != 0:
            said = _printed_last(begin, text).strip()
            told = f"\n{said}" if said else ""
            raise ProgramFailed(f"{_ending(status)}: {self.template}{told}")
        return {"status": 0, "output": text}

    def _run(self, argv: list[str]) -> tuple[int, bytes]:
        """Exit status and output. subprocess.run does not tell the memory."""
        self.memory = 0
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            output = _Output(process.stdout.fileno())
            try:
                output.read()
                _, ended, usage = os.wait4(process.pid, 0)
            except BaseException:  # the job is to leave
                if not output.read(ASKED_TOO):
                    _let_end(process, output)
                process.kill()
                raise
            process.returncode = os.waitstatus_to_exitcode(ended)
            self.memory = usage.ru_maxrss * 1024
        return process.returncode, bytes(output.content)


def _let_end(process: subprocess.Popen[bytes], output: _Output) -> None:
    """Ask a program and all that it has started to end; what does not is killed."""
    started = descendants(process.pid)  # first: whose parent ends is nobody's descendant
    process.terminate()
    terminate(started)
    if not output.read(LEAVES_WITHIN):
        kill(started)


class _Output:
    """What comes out of a pipe, which is in the log at once."""

    def __init__(self, fd: int):
        self._fd = fd
        self.content = bytearray()

    def read(self, seconds: float | None = None) -> bool:
        """To its end; whether that came within so many ``seconds``."""
        ends = None if seconds is None else time.monotonic() + seconds
        waiting = select.poll()
        waiting.register(self._fd, select.POLLIN)
        while ends is None or waiting.poll(max(ends - time.monotonic(), 0) * 1000):
            part = os.read(self._fd, PART)
            if not part:
                return True
            self.content += part
            with contextlib.suppress(OSError):  # the log's disk is full: the result may have room
                write_all(1, part)
        return False


def _log_size() -> int | None:
    """None where standard output is no file."""
    try:
        found = os.fstat(1)
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _printed_last(begin: int | None, output: str) -> str:
    """The end of what is in the log behind ``begin``, of both streams: where they came in one
    moment, either may be first. The end of ``output`` where the log cannot be read."""
    try:
        if begin is None:
            return output[-TAIL:]
        with open("/proc/self/fd/1", "rb") as file:
            file.seek(max(begin, os.fstat(1).st_size - TAIL))
            return file.read(TAIL).decode("utf-8", "replace")
    except OSError:
        return output[-TAIL:]


def _ending(code: int) -> str:
    if code < 0:
        return f"killed by signal {-code}"
    return f"exit status {code}{SHELL_SAYS.get(code, '')}"
