"""The words of the field as data: what travels between the layers, and lies in JSON on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .errors import NewerFormat, UsageError, nearest
from .layout import FORMAT
from .plan import Plan
from .ranges import Ranges

STATES = ("defined", "submitted", "queued", "running", "done", "error", "expired", "canceled")
UNFINISHED = tuple(state for state in STATES if state != "done")
RESOLVED = ("done", "error", "expired", "canceled")
ALIVE = ("submitted", "queued", "running")


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
    names: list[str]  # of the inputs' last columns; those before are positional
    constants: list[str]
    python: str  # minor version that pickled it
    folder: str  # where the elements run

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> TaskSpec:
        return cls(**checked_format(fields, "task.json"))


@dataclass(frozen=True)
class Array:
    """One job array of an attempt: elements ``first`` to ``first + count - 1`` of its plan."""

    name: str  # unique; what an interrupted submission is found by
    first: int
    count: int
    base: int = 0  # the scheduler's index of the first one
    id: str | None = None  # the scheduler's; None until it said so
    time: float | None = None


@dataclass(frozen=True)
class Attempt:
    """One submission of some jobs of a task: the content of attempt.json and plan.json."""

    number: int
    cluster: str
    scheduler: str
    host: str
    created: float
    plan: Plan
    arrays: tuple[Array, ...]
    resources: dict[str, Any] = field(default_factory=dict)
    throttle: int | None = None
    chunk: int | str = "auto"  # as it was asked for
    rejected: str = ""  # what the scheduler said when it refused
    canceled: float | None = None
    canceled_jobs: Ranges | None = None  # None with ``canceled``: all of them

    @property
    def submitted_arrays(self) -> tuple[Array, ...]:
        return tuple(array for array in self.arrays if array.id is not None)

    @property
    def elements(self) -> Ranges:
        """The elements that the scheduler has taken."""
        return Ranges.of(
            element
            for array in self.submitted_arrays
            for element in range(array.first, array.first + array.count)
        )

    def jobs(self) -> Ranges:
        """The jobs that the scheduler has taken."""
        if all(array.id is not None for array in self.arrays):
            return self.plan.jobs
        taken: list[tuple[int, int]] = []
        for array in self.submitted_arrays:
            taken += self.plan.jobs_between(array.first, array.first + array.count).runs
        return Ranges(taken)


@dataclass(frozen=True)
class Ending:
    """How an element ended that left jobs without a result; ``time`` is when that was noticed
    (seconds since the epoch, on the host that noticed it). ``vague``: the process told of a
    signal only, and the scheduler may know why it was sent."""

    reason: str
    code: int | None = None
    signal: int | None = None
    host: str = ""
    time: float | None = None
    elapsed: float | None = None
    memory: int | None = None
    vague: bool = False

    def __str__(self) -> str:
        by = f" by signal {self.signal}" if self.signal and self.reason == "killed" else ""
        return f"{self.reason}{by} on {self.host}" if self.host else f"{self.reason}{by}"


@dataclass(frozen=True)
class Sighting:
    """One element that a scheduler lists as alive. ``word`` is the scheduler's own."""

    array: str
    index: int | None  # the scheduler's; None for a job that is no array
    name: str
    running: bool
    word: str
    why: str = ""


@dataclass(frozen=True)
class Listing:
    """What a cluster's list command said, and when (seconds since the epoch)."""

    time: float
    alive: Sequence[Sighting]


@dataclass(frozen=True)
class JobInfo:
    """One job as it is known now. Times are seconds since the epoch, ``cpu`` seconds, ``memory``
    peak bytes; None where it is not known. ``reason`` tells why a job expired or is in error."""

    index: int
    state: str
    reason: str = ""
    attempt: int | None = None
    element: int | None = None
    cluster: str = ""
    host: str = ""
    started: float | None = None
    ended: float | None = None
    cpu: float | None = None
    memory: int | None = None

    @property
    def elapsed(self) -> float | None:
        if self.started is None or self.ended is None:
            return None
        return self.ended - self.started


@dataclass(frozen=True)
class TaskStatus:
    """Counts of a task's jobs by state, in the order of ``STATES``."""

    id: str
    name: str
    njobs: int
    counts: dict[str, int]
    started: int
    clusters: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what a person should know: stuck elements, failed polls

    @property
    def resolved(self) -> bool:
        """No job is waiting or running, and every job was submitted."""
        return sum(self.counts[state] for state in RESOLVED) == self.njobs

    @property
    def idle(self) -> bool:
        """Nothing of it is alive: it is resolved, or waits for ``submit``."""
        return not any(self.counts[state] for state in ALIVE)

    def __str__(self) -> str:
        """Name, cluster, and a line per state that has jobs, with its share."""
        clusters = ", ".join(self.clusters) or "not submitted"
        lines = [f"{self.id}  {plain(self.name)}  ({clusters})"]
        for state, count in self.counts.items():
            if count:
                lines.append(f"  {state:<10}{count:>9}{100 * count / self.njobs:>7.1f} %")
        lines.append(f"  {'total':<10}{self.njobs:>9}{'started':>12}{self.started:>9}")
        lines += [f"  note: {plain(note)}" for note in self.notes]
        return "\n".join(lines)

    def __getattr__(self, name: str) -> int:
        counts = self.__dict__.get("counts", {})
        if name in counts:
            return int(counts[name])
        raise AttributeError(name)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "resolved": self.resolved}


def plain(text: str) -> str:
    """``text`` on one line, without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


def known_states(states: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """One state, several, or None for all. Raises UsageError for an unknown one."""
    if states is None:
        return None
    asked = (states,) if isinstance(states, str) else tuple(states)
    for state in asked:
        if state not in STATES:
            raise UsageError(f"unknown state {state!r}{nearest(state, STATES)}")
    return asked


def checked_format(fields: dict[str, Any], what: str) -> dict[str, Any]:
    """``fields`` without their format number. Raises NewerFormat; ValueError for no table."""
    if not isinstance(fields, dict):
        raise ValueError("it holds no table")
    found = fields.get("format", 0)
    if not isinstance(found, int) or found > FORMAT:
        raise NewerFormat(
            f"{what} has format {found} and this hpcbatch reads up to {FORMAT}: "
            "use the newer hpcbatch that wrote it"
        )
    return {name: value for name, value in fields.items() if name != "format"}
