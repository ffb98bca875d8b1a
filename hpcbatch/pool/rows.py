"""Rows of a pool's results: always the same columns."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..runner.seeding import job_seed
from ..worker import wire
from .result_values import value_of
from .task import PoolTask, Result

SHOWN = 60  # characters of a call's arguments
_CODES = {"done": 0, "error": 1, "crash": 2, "canceled": 3}


class Row(NamedTuple):
    """What came of one push.

    ``status`` is done, error, crash or canceled, and ``code`` its number, 0 to 3; ``error`` is
    None, or what went wrong, with ``trace`` as its traceback.
    """

    name: str
    command: str
    result: Any
    status: str
    error: str | None
    code: int
    trace: str | None
    warnings: tuple[str, ...]
    seconds: float
    seed: int
    controller: str
    worker: str


def row_of(task: PoolTask, result: Result, pool_seed: int) -> Row:
    status, value, error, trace = result.status, None, None, None
    if result.how == wire.ERROR:
        kind, message, trace, _ = result.value
        error = f"{kind}: {message}"
    elif status == "canceled":
        error = "it was canceled"
    else:
        try:
            value = value_of(result)
        except (Exception, SystemExit) as raised:  # its classes are not here, or fail
            status, error = "error", f"the result cannot be unpickled: {raised!r}"
    seed = job_seed(pool_seed, task.number) if task.seed is None else task.seed
    fields = (
        task.label(), command_of(task), value, status, error, _CODES[status], trace,
        result.warnings, result.seconds, seed, result.controller, result.worker,
    )  # fmt: skip
    return tuple.__new__(Row, fields)  # Row(...) takes three times as long


def command_of(task: PoolTask) -> str:
    """The call as it would be written, where its arguments are plain."""
    if task.how != wire.PLAIN:
        return f"{task.function.label}(…)"
    try:
        told = ", ".join(map(repr, task.payload))
    except ValueError:  # a number of thousands of digits
        told = "…"
    return f"{task.function.label}({told if len(told) <= SHOWN else told[:SHOWN] + '…'})"
