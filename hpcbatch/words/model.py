"""The words of the field as data: what travels between the layers, and lies in JSON on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, NamedTuple

from .formats import FORMAT, checked_format
from .options import SubmitOptions
from .plan import NOTHING, Plan
from .ranges import Ranges
from .text import counted

STATES = ("defined", "submitted", "queued", "running", "done", "error", "expired", "canceled")
UNFINISHED = tuple(state for state in STATES if state != "done")
WENT_WRONG = ("error", "expired")
UNSUCCESSFUL = (*WENT_WRONG, "canceled")
RESOLVED = ("done", *UNSUCCESSFUL)
ALIVE = ("submitted", "queued", "running")
LATEST = 1e11  # seconds since the epoch that a moment may be


@dataclass(frozen=True)
class TaskSpec:
    """What was asked for: the content of task.json."""

    id: str
    name: str
    created: float  # seconds since the epoch
    user: str
    host: str
    njobs: int
    seed: int
    kind: str  # "python" or "shell"
    function: str  # for people: name and file, or the command line
    positional: int  # columns of inputs without a name
    names: list[str]  # of the columns behind them
    constants: list[str]
    python: str  # minor version that pickled it
    folder: str  # where the elements run
    owner: str = ""  # the user of a server who made it; empty: who owns the registry

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> TaskSpec:
        spec = cls(**checked_format(fields, "task.json"))
        for name, kind in _KINDS.items():
            value = getattr(spec, name)
            if not _is_a(kind, value):
                raise ValueError(f"its {name} is {value!r:.50}")
        return spec


_KINDS = {each.name: str(each.type) for each in fields(TaskSpec)}


def _is_a(kind: str, value: Any) -> bool:
    if kind == "list[str]":
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if kind == "str":
        return isinstance(value, str)
    if kind == "int":
        return type(value) is int
    return type(value) in (int, float) and 0 <= value < LATEST


@dataclass(frozen=True)
class Array:
    """One job array of an attempt: elements ``first`` to ``first + count - 1`` of its plan."""

    name: str  # unique; what an interrupted submission is found by
    first: int
    count: int
    base: int = 0  # the scheduler's index of the first one
    id: str | None = None  # the scheduler's; None until it said so
    time: float | None = None  # when it said so; without an id, of the first listing without it


UNKNOWN_ID = "unknown"  # of an array that ran and ended before anybody asked for its id


class Setback(NamedTuple):
    """A submission that failed; ``time`` is seconds since the epoch."""

    time: float
    why: str
    needs_help: bool  # no scheduler's fault: it will fail again until a person mends something


@dataclass(frozen=True, repr=False)
class Attempt:
    """One submission of some jobs of a task: the content of attempt.json and plan.json."""

    number: int
    cluster: str
    scheduler: str
    host: str
    created: float
    plan: Plan
    arrays: tuple[Array, ...]
    options: SubmitOptions = field(default_factory=SubmitOptions)  # as it was asked for
    resources: dict[str, Any] = field(default_factory=dict)  # with the cluster's defaults
    logs: str = ""  # the folder of its logs, where that is not the task's own
    given_up: str = ""  # why arrays without an id, and what is held back, will never be submitted
    held_back: Plan = NOTHING  # what was asked for with it, and waits for room in the queue
    setback: Setback | None = None  # why the next part of that could not be submitted
    part_of: int = 0  # the attempt that held its jobs back; 0: none
    retry: int = 0  # how often its jobs were submitted again by themselves
    function: int = 0  # the attempt whose mended function it runs; 0: the task's own
    most: int | None = None  # elements at once that a server allowed, besides what was asked for
    objection: str = ""  # what its scheduler said against the last cancellation
    canceled: float | None = None  # when all of it was
    canceled_jobs: Ranges = field(default_factory=Ranges)  # those that were before

    def __repr__(self) -> str:
        jobs, elements = len(self.jobs_taken), len(self.elements)
        taken = f"{counted(jobs, 'job')} in {counted(elements, 'element')}"
        return f"<Attempt {self.number}: {taken} on {self.cluster}>"

    @property
    def throttle(self) -> int | None:
        """Elements that may run at a time."""
        return self.options.throttled(self.most).throttle

    @property
    def is_in_doubt(self) -> bool:
        """Whether arrays of it may or may not have been submitted."""
        return not self.given_up and any(array.id is None for array in self.arrays)

    @property
    def may_still_be_taken(self) -> bool:
        """It is in doubt, and wanted."""
        return self.is_in_doubt and self.canceled is None

    def given_up_for(self, why: str) -> Attempt:
        """Without hope for the arrays that have no id, nor for what is held back."""
        return replace(self, given_up=why)

    @property
    def jobs_to_come(self) -> Ranges:
        """Those that were held back, unless that is given up."""
        return Ranges() if self.given_up else self.held_back.jobs

    @property
    def submitted_arrays(self) -> tuple[Array, ...]:
        return tuple(array for array in self.arrays if array.id is not None)

    @property
    def known_arrays(self) -> tuple[Array, ...]:
        """Those that the scheduler can be asked about."""
        return tuple(array for array in self.submitted_arrays if array.id != UNKNOWN_ID)

    @property
    def is_taken(self) -> bool:
        """The scheduler has taken a part of it, or will when there is room."""
        return bool(self.submitted_arrays or self.jobs_to_come)

    @property
    def elements(self) -> Ranges:
        """The elements that the scheduler has taken."""
        return Ranges.of(
            element
            for array in self.submitted_arrays
            for element in range(array.first, array.first + array.count)
        )

    @property
    def jobs_taken(self) -> Ranges:
        """The jobs that the scheduler has taken, or will when there is room."""
        if all(array.id is not None for array in self.arrays):
            return self.plan.jobs.union(self.jobs_to_come)
        taken: list[tuple[int, int]] = []
        for array in self.submitted_arrays:
            taken += self.plan.jobs_between(array.first, array.first + array.count).runs
        return Ranges(taken).union(self.jobs_to_come)


@dataclass(frozen=True)
class Ending:
    """How an element ended that left jobs without a result; ``time`` is when that was noticed
    (seconds since the epoch, on the host that noticed it), ``elapsed`` seconds, ``memory`` peak
    bytes. ``vague``: the scheduler may still tell more, such as why it sent a signal."""

    reason: str
    code: int | None = None
    signal: int | None = None
    host: str = ""
    time: float | None = None
    elapsed: float | None = None
    memory: int | None = None
    vague: bool = False

    @property
    def may_run_again(self) -> bool:
        """It left by a signal, and nobody knows yet whether its scheduler has requeued it."""
        return self.vague and self.reason != "lost"

    def __str__(self) -> str:
        by = f" by signal {self.signal}" if self.signal and self.reason == "killed" else ""
        return f"{self.reason}{by} on {self.host}" if self.host else f"{self.reason}{by}"


@dataclass(frozen=True)
class Sighting:
    """One element that a scheduler lists as alive. ``word`` is the scheduler's own; a ``stuck``
    one will never run without somebody's help, and ``why`` says what is wrong."""

    array: str
    index: int | None  # the scheduler's; None for a job that is no array
    name: str
    running: bool
    word: str
    why: str = ""
    stuck: bool = False


class Question(NamedTuple):
    """Why does an array wait, that is stuck or may just have to?"""

    array: str
    is_stuck: bool


@dataclass(frozen=True)
class Listing:
    """What a cluster's list command said, and when (seconds since the epoch)."""

    time: float
    alive: Sequence[Sighting]
    answers: Mapping[Question, str] = field(default_factory=dict)  # why arrays wait; empty: no word
