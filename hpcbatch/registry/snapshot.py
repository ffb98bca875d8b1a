"""status.json: the commit of a fold, and what the tracker remembers. O(elements), never O(jobs)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ..disk.files import publish, read
from ..words.errors import DamagedFile
from ..words.formats import FORMAT, checked_format
from ..words.layout import segment_owner
from ..words.model import Ending
from .pace import Sample, noted


@dataclass
class SegmentState:
    """How far a segment is folded, and whose it is."""

    cursor: int = 0  # bytes folded
    process: int = 0  # offset of its hello record in results.rec
    host: str = ""
    boot: str = ""
    ticks: str = ""
    pid: int = 0
    job: int | None = None  # begun and not ended
    since: float = 0.0
    left: list[str] = field(default_factory=list)  # what it told when it left early
    ended: bool = False
    lost: bool = False  # its process is believed dead, until it writes again

    def begin(self, job: int, moment: float) -> None:
        self.job, self.since = job, moment

    @property
    def is_alive(self) -> bool:
        return not (self.ended or self.lost)

    def ending(self, now: float) -> Ending:
        """How a process that left early told so itself."""
        reason, signal, vague = self.left
        return Ending(
            reason, signal=int(signal) or None, host=self.host, time=now, vague=bool(vague)
        )


@dataclass
class Snapshot:
    """What is committed: results.rec up to ``committed`` bytes, each segment up to its cursor."""

    committed: int = 0
    index: int | None = None  # the checksum of index.bin
    segments: dict[str, SegmentState] = field(default_factory=dict)
    # attempt -> element -> how it ended, for elements that left jobs without a result
    endings: dict[int, dict[int, Ending]] = field(default_factory=dict)
    # attempt -> element -> (first seen missing at, polls since)
    absent: dict[int, dict[int, tuple[float, int]]] = field(default_factory=dict)
    polled: dict[int, float] = field(default_factory=dict)  # attempt -> time of last listing used
    history_asked: float = 0.0  # when schedulers were last asked how elements ended
    superseded: int = 0  # errors of earlier attempts are set aside up to this attempt
    progress: list[Sample] = field(default_factory=list)  # of the run that goes on, or the last
    paced: int = 0  # the newest attempt that takes part in ``progress``

    def note_start(self, attempt: int, moment: float) -> None:
        """A process has begun; called before it is folded. The first of an attempt begins a
        new run, unless earlier attempts still run."""
        if attempt <= self.paced:
            return
        if not self._runs(self.paced):
            nothing = [] if self.committed else [(moment, 0)]
            self.progress = [(moment, resolved) for _, resolved in self.progress[-1:] or nothing]
        self.paced = attempt

    def note_progress(self, now: float, resolved: int) -> None:
        """How many jobs are done or in error, told by whoever folds."""
        if self.paced:
            self.progress = noted(self.progress, now, resolved)

    def _runs(self, newest: int) -> bool:
        """Whether a process of an attempt up to ``newest`` is alive."""
        return any(
            segment.is_alive and segment_owner(name)[0] <= newest
            for name, segment in self.segments.items()
        )

    def publish(self, path: str) -> None:
        fields = {"format": FORMAT, **vars(self)}
        publish(path, json.dumps(fields, separators=(",", ":"), default=vars).encode())


def read_snapshot(path: str) -> Snapshot:
    """Raises DamagedFile, NewerFormat. A task that was never folded has an empty one."""
    try:
        text = read(path)
    except FileNotFoundError:
        return Snapshot()
    try:
        fields = checked_format(json.loads(text), path)
        return Snapshot(
            committed=fields["committed"],
            index=fields.get("index"),
            segments={name: SegmentState(**state) for name, state in fields["segments"].items()},
            endings=_by_attempt(fields["endings"], lambda value: Ending(**value)),
            absent=_by_attempt(fields["absent"], lambda value: (value[0], value[1])),
            polled={int(attempt): time for attempt, time in fields["polled"].items()},
            history_asked=fields["history_asked"],
            superseded=fields["superseded"],
            progress=[(time, resolved) for time, resolved in fields.get("progress", [])],
            paced=fields.get("paced", 0),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFile(
            f"{path} is damaged ({error}). On a disk that lags, look again in a minute; should it "
            "stay so, set it aside: the next status makes it anew from results.rec"
        ) from error


def _by_attempt(table: dict[str, dict[str, Any]], make: Any) -> dict[int, dict[int, Any]]:
    return {
        int(attempt): {int(element): make(value) for element, value in elements.items()}
        for attempt, elements in table.items()
    }
