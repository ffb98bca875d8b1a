"""Launches of workers on disk: what a monitor finds them by when their controller is dead."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ..disk.files import make_folder, publish, read_as
from ..words.formats import FORMAT, checked_format
from ..words.layout import PoolLayout
from ..words.model import Array


@dataclass(frozen=True)
class Launch:
    """Published as ``launch.json``: before the submission, with names alone, and after it. Workers
    are elements of ``arrays``; without them they are processes of ``host``, or what a user's own
    launcher has started, which has no ``scheduler``."""

    number: int
    cluster: str
    scheduler: str
    host: str
    boot: str
    time: float
    workers: int
    arrays: tuple[Array, ...] = ()
    given_up: str = ""  # why arrays without an id will never have one

    @property
    def is_in_doubt(self) -> bool:
        return not self.given_up and any(array.id is None for array in self.arrays)

    @property
    def taken(self) -> int:
        """Elements that the scheduler has taken."""
        return sum(array.count for array in self.arrays if array.id is not None)

    def given_up_for(self, why: str) -> Launch:
        return replace(self, given_up=why)

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, table: dict[str, Any]) -> Launch:
        """Raises NewerFormat, TypeError, ValueError, KeyError."""
        known = {field.name for field in fields(cls)}
        told = {n: v for n, v in checked_format(table, "launch.json").items() if n in known}
        told["arrays"] = tuple(Array(**array) for array in told["arrays"])
        return cls(**told)


def write_launch(layout: PoolLayout, launch: Launch) -> None:
    paths = layout.launch(launch.number)
    make_folder(paths.folder)
    publish(paths.record, json.dumps(launch.to_json(), indent=1).encode())


def read_launches(layout: PoolLayout) -> list[Launch]:
    """In their order. Raises DamagedFile, NewerFormat."""
    try:
        names = sorted(name for name in os.listdir(layout.launches) if name.isdecimal())
    except FileNotFoundError:
        return []
    return [launch for name in names if (launch := _read(layout, int(name))) is not None]


def _read(layout: PoolLayout, number: int) -> Launch | None:
    paths = layout.launch(number)
    advice = f"End its workers by their cluster's own commands, then remove {paths.folder}"
    return read_as(Launch.from_json, paths.record, advice)
