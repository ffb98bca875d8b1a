"""Attempts on disk: the intent before a submission, the scheduler's ids after it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from typing import Any

from ..disk.files import make_folder, publish, read
from ..words.errors import DamagedFile
from ..words.layout import FORMAT, AttemptLayout, TaskLayout
from ..words.model import Array, Attempt, checked_format
from ..words.plan import Plan
from ..words.ranges import Ranges


def write_attempt(layout: TaskLayout, attempt: Attempt, orders: dict[str, Any]) -> None:
    """Make the attempt's folder with its plan and its intent; called under ``submit.lock``.

    ``orders`` go into plan.json beside the plan: all that the runner needs to know.
    """
    paths = layout.attempt(attempt.number)
    make_folder(paths.folder)
    plan = {"jobs": attempt.plan.jobs.runs, "elements": attempt.plan.elements, **orders}
    publish(paths.plan, json.dumps({"format": FORMAT, **plan}).encode())
    update_attempt(layout, attempt)


def update_attempt(layout: TaskLayout, attempt: Attempt) -> None:
    fields = asdict(attempt)
    for kept_elsewhere in ("plan", "canceled", "canceled_jobs"):
        del fields[kept_elsewhere]
    text = json.dumps({"format": FORMAT, **fields}, indent=1)
    publish(layout.attempt(attempt.number).record, text.encode())


def mark_canceled(layout: TaskLayout, number: int, time: float) -> None:
    publish(layout.attempt(number).canceled, json.dumps({"time": time}).encode())


def read_attempts(layout: TaskLayout) -> list[Attempt]:
    """All attempts whose intent was recorded, in order. Raises DamagedFile, NewerFormat."""
    try:
        names = sorted(name for name in os.listdir(layout.attempts) if name.isdigit())
    except FileNotFoundError:
        return []
    attempts = []
    for name in names:
        paths = layout.attempt(int(name))
        if os.path.exists(paths.record):  # else its making was interrupted: nothing was submitted
            attempts.append(_read_attempt(paths))
    return attempts


def next_number(layout: TaskLayout) -> int:
    try:
        return 1 + max((int(n) for n in os.listdir(layout.attempts) if n.isdigit()), default=0)
    except FileNotFoundError:
        return 1


def _read_attempt(paths: AttemptLayout) -> Attempt:
    record = _read_json(paths.record)
    plan = _read_json(paths.plan)
    try:
        record["arrays"] = tuple(Array(**array) for array in record["arrays"])
        runs = Ranges((start, stop) for start, stop in plan["jobs"])
        attempt = Attempt(plan=Plan(runs, plan["elements"]), **record)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"{paths.record} is damaged: {error}") from error
    if os.path.exists(paths.canceled):
        attempt = replace(attempt, canceled=_read_json(paths.canceled)["time"])
    return attempt


def _read_json(path: str) -> dict[str, Any]:
    try:
        return checked_format(json.loads(read(path)), path)
    except (ValueError, OSError) as error:
        raise DamagedFile(f"{path} is damaged or missing: {error}") from error
