"""Attempts on disk: the intent before a submission, the scheduler's ids after it."""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import Any

from ..disk.files import make_folder, publish, read
from ..disk.locks import held
from ..disk.records import frame, read_records
from ..words.assignment import Assignment
from ..words.errors import DamagedFile
from ..words.formats import FORMAT, checked_format
from ..words.layout import AttemptLayout, TaskLayout
from ..words.messages import without_file
from ..words.model import Array, Attempt, Setback
from ..words.options import SubmitOptions
from ..words.plan import Plan
from ..words.ranges import Ranges

SUBMITS_WITHIN = 180.0  # seconds
_PUT_BACK = "Put it back from a backup, or collect what there is, and run the rest in a new task"
_CANCEL_AGAIN = "Remove it, and cancel again what still waits or runs"
_FORGET = "Remove it once nothing of that attempt runs any more"


def submitting(layout: TaskLayout, seconds: float = SUBMITS_WITHIN) -> AbstractContextManager[None]:
    """Hold the task's submit lock: one attempt is made at a time. Raises RegistryBusy."""
    return held(layout.submit_lock, seconds)


def write_attempt(layout: TaskLayout, attempt: Attempt, assignment: Assignment) -> None:
    """Make the attempt's folder with its plan and its intent; called under ``submit.lock``.

    ``assignment`` goes into plan.json beside the plan: all that the runner needs to know.
    """
    paths = layout.attempt(attempt.number)
    make_folder(paths.folder)
    plan = {"format": FORMAT, **attempt.plan.to_json(), **assignment._asdict()}
    publish(paths.plan, json.dumps(plan).encode())
    update_attempt(layout, attempt)


def store_function(layout: TaskLayout, number: int, function: bytes, code: bytes | None) -> None:
    """Keep a mended function with the attempt that runs it first; the constants stay."""
    make_folder(layout.attempt(number).folder)
    constants = [payload for _, payload in read_records(layout.function)][1:]
    path = f"{layout.folder}/{layout.function_of(number)}"
    publish(path, b"".join(map(frame, (function, *constants))))
    if code is not None:
        publish(f"{layout.folder}/{layout.code_of(number)}", code)


def update_attempt(layout: TaskLayout, attempt: Attempt) -> None:
    fields = asdict(attempt)
    fields["options"] = attempt.options.to_json()
    fields["held_back"] = attempt.held_back.to_json()
    for kept_elsewhere in ("plan", "canceled", "canceled_jobs"):
        del fields[kept_elsewhere]
    text = json.dumps({"format": FORMAT, **fields}, indent=1)
    publish(layout.attempt(attempt.number).record, text.encode())


def mark_canceled(
    layout: TaskLayout, attempt: Attempt, time: float, jobs: Ranges | None = None
) -> None:
    """Tell elements and readers that ``jobs`` (None: all) of the attempt are canceled."""
    everything = jobs is None or attempt.canceled is not None
    merged = None if everything else (jobs or Ranges()).union(attempt.canceled_jobs).runs
    _mark(layout.attempt(attempt.number).canceled, merged, time)


def mark_revoked(layout: TaskLayout, attempt: Attempt, time: float, jobs: Ranges) -> None:
    """Tell elements of the attempt that another one runs ``jobs``."""
    path = layout.attempt(attempt.number).revoked
    before = _read_marker(path, _FORGET)[1] if os.path.exists(path) else Ranges()
    if before is None:
        return  # all of them already
    merged = jobs.union(before)
    everything = not attempt.jobs_taken.without(merged)
    _mark(path, None if everything else merged.runs, time)


def _mark(path: str, jobs: list[tuple[int, int]] | None, time: float) -> None:
    publish(path, json.dumps({"time": time, "jobs": jobs}).encode())


def read_attempts(layout: TaskLayout, but_damaged: bool = False) -> list[Attempt]:
    """All attempts whose intent was recorded, in order. Raises DamagedFile (unless those are
    left out), NewerFormat."""
    attempts = []
    for number in numbers(layout):
        if _is_recorded(layout, number):
            try:
                attempts.append(_read_attempt(layout.attempt(number)))
            except DamagedFile:
                if not but_damaged:
                    raise
    return attempts


def read_attempt(layout: TaskLayout, number: int) -> Attempt:
    """One whose intent was recorded. Raises DamagedFile, NewerFormat."""
    return _read_attempt(layout.attempt(number))


def last_recorded(layout: TaskLayout) -> int:
    """The number of the newest attempt that ``read_attempts`` gives; 0 where there is none."""
    found = (number for number in reversed(numbers(layout)) if _is_recorded(layout, number))
    return next(found, 0)


def next_number(layout: TaskLayout) -> int:
    return 1 + max(numbers(layout), default=0)


def numbers(layout: TaskLayout) -> list[int]:
    """Of all attempts that have a folder, in order."""
    try:
        return sorted(map(int, filter(str.isdigit, os.listdir(layout.attempts))))
    except FileNotFoundError:
        return []


def code_archives(layout: TaskLayout) -> list[str]:
    """Paths of the archives of the user's modules: the task's, and those of mended functions."""
    paths = [f"{layout.folder}/{layout.code_of(number)}" for number in (0, *numbers(layout))]
    return [path for path in paths if os.path.exists(path)]


def _is_recorded(layout: TaskLayout, number: int) -> bool:
    """Else it is being made, or that was interrupted: nothing was submitted."""
    return os.path.exists(layout.attempt(number).record)


def _read_attempt(paths: AttemptLayout) -> Attempt:
    record = _read_json(paths.record, _PUT_BACK)
    plan = _read_json(paths.plan, _PUT_BACK)
    try:
        record["options"] = SubmitOptions(**record["options"])
        record["arrays"] = tuple(Array(**array) for array in record["arrays"])
        record["held_back"] = Plan.from_json(record["held_back"])
        record["setback"] = Setback(*record["setback"]) if record["setback"] else None
        attempt = Attempt(plan=Plan.from_json(plan), **record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedFile(f"{paths.record} is damaged: {error}. {_PUT_BACK}") from error
    if not os.path.exists(paths.canceled):
        return attempt
    when, jobs = _read_marker(paths.canceled, _CANCEL_AGAIN)
    if jobs is None:
        return replace(attempt, canceled=when)
    return replace(attempt, canceled_jobs=jobs)


def _read_marker(path: str, advice: str) -> tuple[float, Ranges | None]:
    """When jobs were taken from an attempt, and which (None: all)."""
    told = _read_json(path, advice)
    try:
        jobs = told["jobs"]
        return told["time"], None if jobs is None else Ranges((a, b) for a, b in jobs)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"{path} is damaged: {error}. {advice}") from error


def _read_json(path: str, advice: str) -> dict[str, Any]:
    try:
        return checked_format(json.loads(read(path)), path)
    except (ValueError, OSError, RecursionError) as error:
        told = f"{path} is damaged or missing: {without_file(error)}. {advice}"
        raise DamagedFile(told) from error
