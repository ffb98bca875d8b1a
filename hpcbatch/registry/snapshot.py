"""status.json: the commit of a fold, and what the tracker remembers. O(elements), never O(jobs)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from ..disk.files import publish, read
from ..words.errors import DamagedFile
from ..words.layout import FORMAT
from ..words.model import Ending, checked_format


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
    left: str = ""
    ended: bool = False
    lost: bool = False  # its process is believed dead, until it writes again

    @property
    def is_alive(self) -> bool:
        return not (self.ended or self.lost or self.left)


@dataclass
class Snapshot:
    """What is committed: results.rec up to ``committed`` bytes, each segment up to its cursor."""

    committed: int = 0
    segments: dict[str, SegmentState] = field(default_factory=dict)
    # attempt -> element -> how it ended, for elements that left jobs without a result
    endings: dict[int, dict[int, Ending]] = field(default_factory=dict)
    # attempt -> element -> (first seen missing at, polls since)
    absent: dict[int, dict[int, tuple[float, int]]] = field(default_factory=dict)
    polled: dict[int, float] = field(default_factory=dict)  # attempt -> time of last listing used
    superseded: int = 0  # errors of earlier attempts are set aside up to this attempt

    def publish(self, path: str) -> None:
        fields = {"format": FORMAT, **asdict(self)}
        publish(path, json.dumps(fields, separators=(",", ":")).encode())


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
            segments={name: SegmentState(**state) for name, state in fields["segments"].items()},
            endings=_by_attempt(fields["endings"], lambda value: Ending(**value)),
            absent=_by_attempt(fields["absent"], lambda value: (value[0], value[1])),
            polled={int(attempt): time for attempt, time in fields["polled"].items()},
            superseded=fields["superseded"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFile(
            f"{path} is damaged ({error}); removing it makes the next status refold"
            " the segments that are left"
        ) from error


def _by_attempt(table: dict[str, dict[str, Any]], make: Any) -> dict[int, dict[int, Any]]:
    return {
        int(attempt): {int(element): make(value) for element, value in elements.items()}
        for attempt, elements in table.items()
    }
