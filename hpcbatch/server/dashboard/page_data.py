"""What a page is told of tasks, attempts and figures, as JSON."""

from __future__ import annotations

from typing import Any

from ...use.groups import Group
from ...use.histograms import Bins
from ...use.job_statistics import Figures, Span
from ...words.model import Attempt, TaskSpec
from ...words.status import TaskStatus

LONGEST = 20_000  # characters of a traceback
SHOWN = 100  # groups


def task_json(spec: TaskSpec, status: TaskStatus, user: str) -> dict[str, Any]:
    return {
        **status.to_json(),
        "idle": status.idle,
        "pace": status.pace,
        "created": spec.created,
        "user": user,
        "function": spec.function,
    }


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "cluster": attempt.cluster,
        "created": attempt.created,
        "jobs": len(attempt.plan.jobs) + len(attempt.held_back.jobs),
        "elements": attempt.plan.elements,
        "scripts": len(attempt.arrays),
        "ids": [array.id for array in attempt.arrays[:8] if array.id is not None],
        "resources": attempt.resources,
        "retry": attempt.retry,
        "part_of": attempt.part_of,
        "canceled": attempt.canceled,
        "given_up": attempt.given_up,
        "setback": attempt.setback.why if attempt.setback else "",
    }


def figures_json(found: Figures) -> dict[str, Any]:
    busy = found.busy
    return {
        "elements": [_span_json(span) for span in found.elements],
        "others": found.others,
        "busy": busy and {"start": busy.start, "end": busy.end, "levels": _rounded(busy.levels)},
        "times": found.times and _bins_json(found.times),
        "memory": found.memory and _bins_json(found.memory),
    }


def groups_json(groups: list[Group], compared: int) -> dict[str, Any]:
    """``compared``: how many jobs are looked at, at most."""
    return {
        "compared": compared,
        "groups": [
            {
                "state": group.first.state,
                "told": group.told,
                "count": len(group.indices),
                "jobs": str(group.jobs.slice(0, 1000)),
                "job": group.first.index,
                "traceback": group.first.traceback[-LONGEST:],
            }
            for group in groups[:SHOWN]
        ],
        "others": len(groups[SHOWN:]),
        "jobs": sum(len(group.indices) for group in groups),
    }


def _span_json(span: Span) -> list[Any]:
    """In short: there are many."""
    times = [span.start, span.end]
    return [span.attempt, span.element, *times, span.done, span.failed, span.host]


def _bins_json(bins: Bins) -> dict[str, Any]:
    return {
        "edges": bins.edges,
        "counts": bins.counts,
        "low": bins.low,
        "high": bins.high,
        "mean": bins.mean,
    }


def _rounded(levels: list[float]) -> list[float]:
    return [round(level, 3) for level in levels]
