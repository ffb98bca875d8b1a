"""Parts of what errors tell."""

from __future__ import annotations

from collections.abc import Iterable

from .errors import SchedulerError

SHOWN = 16  # names that a hint lists
# what other tools call it
OTHERS_WORDS = {
    "cancelled": "canceled",
    "completed": "done",
    "cores": "cpus",
    "cpus-per-task": "cpus",
    "failed": "error",
    "failure": "error",
    "finished": "done",
    "gpus-per-node": "gpus",
    "gres": "gpus",
    "maximum-jobs": "maximum",
    "mem": "memory",
    "minimum-jobs": "minimum",
    "n-workers": "workers",
    "ncpus": "cpus",
    "ntasks": "cpus",
    "oom": "out-of-memory",
    "oom-killed": "out-of-memory",
    "partition": "queue",
    "pending": "queued",
    "project": "account",
    "time": "walltime",
    "time-limit": "walltime",
    "timelimit": "walltime",
    "waiting": "queued",
}


def ours(word: str) -> str:
    """Our name of what other tools call ``word``; empty where it has none."""
    return OTHERS_WORDS.get(word.lower().replace("_", "-"), "")


def nearest(word: object, known: Iterable[str]) -> str:
    """A hint such as ``; did you mean 'memory'? (known: cpus, memory)``."""
    import difflib

    names = sorted(known)
    meant = [name for name in names if name == ours(str(word))]
    close = meant or difflib.get_close_matches(str(word), names, 1, 0.5)
    guess = f"; did you mean {close[0]!r}?" if close else ""
    more = ", …" if len(names) > SHOWN else ""
    return f"{guess} (known: {', '.join(names[:SHOWN])}{more})" if names else guess


def without_file(error: BaseException) -> str:
    """What it says, where the sentence around it names the file."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def in_short(error: Exception) -> str:
    """What went wrong, on a line: what a scheduler said, without the script that it refused."""
    cause = error.__cause__ if isinstance(error.__cause__, SchedulerError) else error
    return " ".join(line.strip() for line in str(cause).splitlines()[:3] if line.strip())
