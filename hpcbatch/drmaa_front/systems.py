"""The native words of the schedulers behind DRMAA, for what DRMAA 1.0 has no attribute for.

GFD.133 knows a wall-clock limit, where a library supports that attribute, and nothing of memory,
processors, queues, throttles or waiting for other jobs. For a scheduler that is known by its
``drmsInfo`` these become words of its own; for any other they are refused rather than dropped: a
job without the memory it asked for would be the greater surprise. A site says it in its own words
by a template that replaces the block ``requests`` of drmaa.sh.j2 by ``#NATIVE`` lines, or a user
by ``extra``.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..words.errors import SubmissionRejected
from .directives import Directives

_GRID_ENGINE = re.compile(r"\b(?:\w?GE|N1GE6?|OGS|Grid Engine)\b")  # as in "SGE 8.1.9"


class System(NamedTuple):
    """How one scheduler is asked, and which of its refusals may pass later."""

    always: str = ""
    words: Mapping[str, Callable[[Directives], str]] = {}
    deferred_words: tuple[str, ...] = ()
    whole: Callable[[Sequence[str]], Sequence[str]] = tuple  # what all elements are ended by


def _memory_per_slot(asked: Directives) -> str:
    size = -(-asked.memory // asked.cpus) if asked.memory else 0
    return f"-l h_vmem={-(-size // 1024)}K"


def _jobs_of(ids: Sequence[str]) -> Sequence[str]:
    """7 for 7.1, 7.2, …: one request, where 10,000 elements want a minute."""
    return tuple(dict.fromkeys(id.partition(".")[0] for id in ids))


# qsub(1), complex(5). "-w n": a DRMAA job is verified by default ("-w e"), which knows no load
# values and so refuses a mem_free that every node has; "-r n": an element runs once.
GRID_ENGINE = System(
    always="-w n -r n",
    words={
        "throttle": lambda asked: f"-tc {asked.throttle}",
        "walltime": lambda asked: f"-l h_rt={asked.walltime}",
        "memory": _memory_per_slot,
        "cpus": lambda asked: f"-pe smp {asked.cpus}",
        "gpus": lambda asked: f"-l gpu={asked.gpus}",
        "queue": lambda asked: f"-q {_quoted(asked.queue)}",
        "account": lambda asked: f"-A {_quoted(asked.account)}",
        "constraint": lambda asked: f"-l {_quoted(asked.constraint)}",
        "after": lambda asked: f"-hold_jid {','.join(asked.after)}",  # it takes names, too
    },
    deferred_words=(
        "jobs are allowed per user",
        "jobs are allowed per cluster",
        "not enough memory",
        "unable to contact qmaster",
        "unable to send message to qmaster",
    ),
    whole=_jobs_of,
)
UNKNOWN = System()


def cell(drms: str) -> str:
    """Which scheduler that is, of all whose nodes may share one home: its name without the
    release, and for Grid Engine root and cell (sge_intro(1))."""
    name = (drms.split() or [""])[0]
    if system(drms) is not GRID_ENGINE:
        return name
    root, here = os.environ.get("SGE_ROOT", ""), os.environ.get("SGE_CELL") or "default"
    return f"{name} {os.path.realpath(root)} {here}"


def system(drms: str) -> System:
    """By what ``drmsInfo`` says."""
    return GRID_ENGINE if _GRID_ENGINE.search(drms) else UNKNOWN


def native_specification(asked: Directives, drms: str, without: tuple[str, ...] = ()) -> str:
    """All that is no attribute; ``without`` what was made one. The user's own words come last.

    Raises SubmissionRejected for what this scheduler's words are not known for.
    """
    known = system(drms)
    said = [known.always]
    for name, standard in Directives._field_defaults.items():
        value: Any = getattr(asked, name)
        if value == standard or name in ("elements", "native", *without):
            continue
        if name not in known.words:
            raise SubmissionRejected(
                f"{name}={value!r} was asked for, DRMAA has no attribute for it here, and the "
                f"words of {drms or 'this scheduler'} are not known: leave it out, write it as a "
                "line of 'extra', or replace the block 'requests' of the template drmaa.sh.j2"
            )
        said.append(known.words[name](asked))
    return " ".join(filter(None, (*said, *asked.native)))


def _quoted(value: str | None) -> str:
    return shlex.quote(value or "")
