"""The one door to other programs: time-outs, environment and log of each call."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import pwd
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..words.errors import CommandFailed, CommandTimeout, ProgramMissing

log = logging.getLogger("hpcbatch.shell")

TIMEOUT = 120.0  # seconds; Slurm's own commands give up after 30 to 60 (MessageTimeout)

# All that a scheduler's program gets to see. What is left out would override directives
# (SBATCH_*), make it believe it runs inside a job (SLURM_*), or travel to nodes: sbatch and bsub
# hand on what they get. A name with * at its end stands for all that begin so.
PASSED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "KRB5CCNAME",
    "BASH_ENV",
    "BASH_FUNC_module*",
    "BASH_FUNC_ml*",
    "MODULE*",
    "LMOD*",
)


@dataclass(frozen=True)
class Output:
    """What a program printed and its exit status."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        said = (self.stderr.strip() or self.stdout.strip() or "(it printed nothing)")[-2000:]
        return f"{shlex.join(self.argv)} ended with status {self.status}: {said}"


_NOT_A_PROGRAM = (errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR, errno.EPERM)


def run(
    argv: Sequence[str],
    stdin: str = "",
    timeout: float | None = None,
    variables: tuple[str, ...] = (),
    settings: Mapping[str, str] | None = None,
    folder: str = "/",
) -> Output:
    """Run a program to its end, in ``folder``, which is there. Raises ProgramMissing,
    CommandTimeout, CommandFailed where it cannot be started now.

    ``timeout`` is in seconds, by default ``TIMEOUT``.
    ``variables`` are environment variables passed on beside ``PASSED``, and named as there;
    ``settings`` such that are set.
    A program that does not end in time is killed with all that it started: what they did until
    then is not known.
    """
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**_environment(os.environ, PASSED + variables), **(settings or {})},
            cwd=folder,
            start_new_session=True,
        )
    except OSError as error:
        if error.errno not in _NOT_A_PROGRAM:  # too many processes, too little memory
            raise CommandFailed(
                f"{argv[0]} cannot be started now ({error.strerror}): try again"
            ) from error
        raise ProgramMissing(
            f"{argv[0]} cannot be run on this host ({error.strerror}): is this a login node of "
            "the cluster, and is the scheduler's module loaded?"
        ) from error
    with process:
        try:
            limit = TIMEOUT if timeout is None else timeout
            answer = process.communicate(stdin.encode("utf-8", "surrogateescape"), limit)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise CommandTimeout(
                f"{shlex.join(argv)} did not answer within {limit:.0f} s"
            ) from None
        except BaseException:
            _kill(process)
            raise
    stdout, stderr = (said.decode("utf-8", "replace") for said in answer)
    output = Output(tuple(argv), process.returncode, stdout, stderr)
    log.debug("%s", output)
    return output


def passed() -> dict[str, str]:
    """This process's environment, as far as a scheduler's program gets to see it."""
    return _environment(os.environ, PASSED)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Many a site's program is a script: what it started would keep the pipes open."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _environment(environment: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    beginnings = tuple(name[:-1] for name in names if name.endswith("*"))
    passed = {
        name: value
        for name, value in environment.items()
        if name in names or name.startswith(beginnings)
    }
    return {**passed, "LC_ALL": "C"}


def user_name() -> str:
    """Whose processes and jobs are ours; LOGNAME would be another's after ``su``. A uid without
    an account (a container's) is told as a number."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def is_here(program: str) -> bool:
    return shutil.which(program) is not None
