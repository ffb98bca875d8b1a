"""What a scheduler's programs tell about a cluster and the elements on it, as data."""

from __future__ import annotations

from dataclasses import dataclass

from ...words.model import Ending


@dataclass(frozen=True)
class Limits:
    """What a cluster allows: elements of one array, elements worth having at once; and the unit,
    such as ``MB``, in which it reads a number without one as memory."""

    array: int | None = None
    parallel: int | None = None
    memory_unit: str | None = None


@dataclass(frozen=True)
class Ended:
    """How the scheduler says that one element ended; ``index`` as in Sighting."""

    array: str
    index: int | None
    ending: Ending


@dataclass(frozen=True)
class Queue:
    """One queue (of Slurm: a partition), and the most that one element gets there; seconds and
    bytes. None where it sets no limit, or does not tell."""

    name: str
    is_default: bool = False
    is_open: bool = True
    max_walltime: int | None = None
    default_walltime: int | None = None
    max_memory: int | None = None
    max_cpus: int | None = None


@dataclass(frozen=True)
class Survey:
    """What a cluster is: for people, and for the profile that is proposed to them. ``accounting``:
    whether its history tells how elements ended; None where nobody can tell."""

    version: str = ""
    queues: tuple[Queue, ...] = ()
    accounting: bool | None = None
    max_queued: int | None = None  # elements of one user
