"""What is told of a task and its jobs: the plain-data answers of the verbs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from .errors import UsageError
from .messages import nearest
from .model import ALIVE, RESOLVED, STATES
from .text import counted, plain, roughly, speed

# Of each state, in every view; told apart by those who see no red or no green as well.
COLOURS = {
    "defined": "#c8c8c8",
    "submitted": "#707070",
    "queued": "#0072b2",
    "running": "#56b4e9",
    "done": "#009e73",
    "error": "#d55e00",
    "expired": "#cc79a7",
    "canceled": "#e69f00",
}
FROM_THE_LEFT = (
    "done",
    "error",
    "expired",
    "canceled",
    "running",
    "queued",
    "submitted",
    "defined",
)


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
    code: int | None = None  # exit status of the process that ended without a result
    signal: int | None = None  # that ended it

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
    attempts: int = 0
    reasons: dict[str, int] = field(default_factory=dict)  # why jobs expired
    rate: float | None = None  # jobs resolved a second, of late
    seconds_left: float | None = None  # until nothing of it is alive, at that rate
    retrying: int = 0  # expired jobs that whoever tracks the task will submit again
    unfolded: str = ""  # why newer records are not counted
    held_back: int = 0  # submitted jobs that wait for room in the queue
    stuck: int = 0  # waiting jobs that will never run without somebody's help
    unreleased: bool = False  # a submission of it waits in the queue of its server
    in_doubt: bool = False  # a submission is under way, or nobody knows yet whether it was taken

    def waiting(self, note: str) -> TaskStatus:
        """The same while a submission waits in the queue of a server."""
        counts = dict(self.counts)
        if not self.attempts and not any(counts[state] for state in ALIVE):
            counts["submitted"] += counts["defined"]
            counts["defined"] = 0
        return replace(self, counts=counts, notes=(*self.notes, note), unreleased=True)

    @property
    def resolved(self) -> bool:
        """No job is waiting or running, and every job was submitted."""
        return sum(self.counts[state] for state in RESOLVED) == self.njobs

    @property
    def idle(self) -> bool:
        """Nothing of it is alive or will be by itself: it is resolved, or waits for ``submit``, and
        no scheduler is still to tell whether it took a part of it."""
        waits = self.retrying or self.unreleased or self.in_doubt
        return not waits and not any(self.counts[state] for state in ALIVE)

    @property
    def goes_on(self) -> str:
        """What becomes of it when nobody watches."""
        left = self.held_back or self.retrying
        if not left:
            return "it goes on"
        what = "held back" if self.held_back else "to be retried"
        return (
            f"what was submitted goes on; {counted(left, 'job')} {what} will be submitted when it "
            "is watched again, or by hpcbatch tend"
        )

    @property
    def besides(self) -> dict[str, int]:
        """What is counted beside the states, where it tells anything."""
        several = self.attempts if self.attempts > 1 else 0
        found = {
            "attempts": several,
            "held back": self.held_back,
            "retrying": self.retrying,
            "stuck": self.stuck,
        }
        return {word: count for word, count in found.items() if count}

    @property
    def tally(self) -> str:
        """``8 done, 2 error``: the states that have jobs."""
        return ", ".join(f"{count} {state}" for state, count in self.counts.items() if count)

    @property
    def pace(self) -> str:
        """``12.3 jobs/s, about 4 min left``; empty when it is not known."""
        if self.rate is None or self.seconds_left is None:
            return ""
        return f"{speed(self.rate)}, about {roughly(self.seconds_left)} left"

    def why(self, state: str) -> str:
        """The reasons of the jobs in ``state``, the most frequent first."""
        often = sorted(self.reasons.items(), key=lambda told: -told[1])
        told = [f"{plain(reason)} {count}" for reason, count in often]
        return ", ".join(told) if state == "expired" else ""

    def share(self, state: str) -> str:
        """``12.3 %`` of the jobs; none and all are told of none and all only."""
        count = self.counts[state]
        tenths = 1000 * count / self.njobs
        if 0 < tenths < 1:
            return "<0.1 %"
        return ">99.9 %" if 999 < tenths < 1000 else f"{tenths / 10:.1f} %"

    def portions(self, parts: int) -> dict[str, int]:
        """``parts`` shared out among the states, in the order of a bar: at least one for each
        state that has jobs. There must be as many parts as states."""
        present = [state for state in FROM_THE_LEFT if self.counts[state]]
        spare = parts - len(present)
        shared, seen = {}, 0
        for state in present:
            before = spare * seen // self.njobs
            seen += self.counts[state]
            shared[state] = 1 + spare * seen // self.njobs - before
        return shared

    @property
    def where(self) -> str:
        """The clusters' names, or which step comes before any has it."""
        waits = "in the queue" if self.counts["submitted"] else "not submitted"
        return ", ".join(self.clusters) or waits

    def __str__(self) -> str:
        """Name, cluster, and a line per state that has jobs, with its share."""
        lines = [f"{self.id}  {plain(self.name)}  ({self.where})"]
        for state, count in self.counts.items():
            if count:
                line = f"  {state:<10}{count:>9}{self.share(state):>9}  {self.why(state)}"
                lines.append(line.rstrip())
        lines.append(f"  {'total':<10}{self.njobs:>9}{'started':>12}{self.started:>9}")
        lines += [f"  {word:<10}{count:>9}" for word, count in self.besides.items()]
        if self.pace:
            lines.append(f"  {self.pace}")
        lines += [f"  note: {plain(note)}" for note in self.notes]
        return "\n".join(lines)

    def __getattr__(self, name: str) -> int:
        counts = self.__dict__.get("counts", {})
        if name in counts:
            return int(counts[name])
        raise AttributeError(name)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "resolved": self.resolved}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> TaskStatus:
        """What ``to_json`` made; fields that a newer version added are left out."""
        known = {each.name: told[each.name] for each in fields(cls) if each.name in told}
        listed = {name: tuple(known.get(name, ())) for name in ("clusters", "notes")}
        return cls(**{**known, **listed})


def known_states(states: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """One state, several, or None for all. Raises UsageError for an unknown one."""
    if states is None:
        return None
    if not isinstance(states, Iterable):
        raise UsageError(f"{states!r} is no state, nor a list of them")
    asked = (states,) if isinstance(states, str) else tuple(states)
    for state in asked:
        if state not in STATES:
            raise UsageError(f"unknown state {state!r}{nearest(state, STATES)}")
    return asked
