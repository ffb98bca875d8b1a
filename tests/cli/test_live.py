"""The live view as it is drawn."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from hpcbatch.cli.live import StatusView, told_of
from hpcbatch.words.errors import JobError
from hpcbatch.words.model import STATES
from hpcbatch.words.status import TaskStatus

FAILURES = [
    JobError(17, "error", "ValueError", "[red]three\x1b[5m is bad\nreally"),
    JobError(
        913, "expired", "", "timeout on n2", "the end of its element's log:\nstep 1\nstep 2\n"
    ),
]


def status(counts: dict[str, int], **more: object) -> TaskStatus:
    whole = {state: counts.get(state, 0) for state in STATES}
    fields = {"id": "3f9a12c4__x", "name": "x", "njobs": sum(whole.values()), "started": 0}
    return TaskStatus(counts=whole, **{**fields, **more})  # type: ignore[arg-type]


def drawn(view: StatusView, width: int = 80) -> list[str]:
    console = Console(width=width, file=io.StringIO(), color_system=None, force_terminal=True)
    console.print(view)
    return str(console.file.getvalue()).splitlines()  # type: ignore[attr-defined]


def bars(lines: list[str]) -> dict[str, int]:
    """State -> length of its bar."""
    rows = [line for line in lines if line.strip().startswith(STATES)]
    return {row.split()[0]: len(re.findall("[━╸]", row)) for row in rows}


def test_it_shows_all_there_is_to_know() -> None:
    view = StatusView(
        status(
            {"running": 10, "done": 80, "expired": 10},
            clusters=("slurm",),
            attempts=2,
            retrying=3,
            reasons={"timeout": 10},
            rate=12.34,
            seconds_left=250.0,
            notes=("37 elements wait\x1b[6n",),
        ),
        ("queued", "running", "done", "expired"),
        FAILURES,
        "14:03:22",
    )
    text = re.sub(r"\x1b\[\d*m", "", "\n".join(drawn(view)))
    for told in (
        *("3f9a12c4__x", "slurm", "14:03:22", "queued", "80.0 %", "expired: timeout 10"),
        "100 jobs, 0 started, 2 attempts, 3 retrying · 12.3 jobs/s, about 4 min left",
        *("37 elements wait [6n", "job 17", "ValueError: [red]three [5m is bad really"),
        "timeout on n2: step 2",
    ):
        assert told in text
    assert "\x1b" not in text


@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_it_fits_any_width(width: int) -> None:
    counts = {"running": 10, "done": 80, "expired": 10}
    lines = drawn(StatusView(status(counts, notes=("long " * 50,)), STATES, FAILURES), width)
    assert max(len(re.sub(r"\x1b\[\d*m", "", line)) for line in lines) <= min(width, 100)


def test_every_state_that_has_jobs_has_a_bar() -> None:
    view = StatusView(status({"done": 999_999, "error": 1}), ("queued", "done", "error"))
    lengths = bars(drawn(view))
    assert (lengths["queued"], lengths["error"]) == (0, 1)
    assert lengths["done"] > 40


def test_a_failure_is_told_on_one_line() -> None:
    assert told_of(FAILURES[0]) == "ValueError: [red]three [5m is bad really"
    assert told_of(FAILURES[1]) == "timeout on n2: step 2"
    begun = JobError(
        1, "expired", "", "lost, before the job began: no such host", "log:\nno such host"
    )
    assert told_of(begun) == "lost, before the job began: no such host"
    assert told_of(JobError(1, "expired", "", "lost")) == "lost"
