"""list and status."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import click

from ..sites.base import Site
from ..words.errors import HpcbatchError
from ..words.model import STATES, TaskSpec
from ..words.status import TaskStatus
from ..words.text import counted
from .common import Invocation, command, common, completed, print_json, say
from .exit_status import exit_of
from .formatting import clock
from .tables import print_status, print_table
from .waiting import Busy

RECENT = 10  # tasks that status shows when it is given none
NUMBERS = ("jobs", *STATES, "attempts")
HEADINGS = ("id", *NUMBERS, "reasons", "cluster", "created")
SPARE = ("attempts", "reasons", "created", "cluster")


@click.command("list")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the newest N tasks.")
@common
def list_command(invocation: Invocation, limit: int | None) -> None:
    """List all tasks.

    \b
    Examples:
      hpcbatch list
      hpcbatch list --limit 20
      hpcbatch list --json | jq -r '.[] | select(.resolved) | .id'
    """
    _show_tasks(invocation, limit)


@click.command("status")
@click.argument("task", required=False, metavar="[ID]", shell_complete=completed("task_ids"))
@common
def status(invocation: Invocation, task: str | None) -> None:
    """Count the jobs of a task by state.

    Without ID it lists the newest tasks. Exit status 1 tells that jobs failed; while they run it
    is 0, see watch for a command that waits.

    \b
    Examples:
      hpcbatch status
      hpcbatch status last
      hpcbatch status 3f9a --json
    """
    if task is None:
        _show_tasks(invocation, RECENT)
        return
    site, task_id = invocation.find(task)
    found = site.status(task_id)
    if invocation.json:
        print_json(found.to_json())
    else:
        print_status(found)
    click.get_current_context().exit(exit_of(found))


def _show_tasks(invocation: Invocation, limit: int | None) -> None:
    site = invocation.site()
    specs, unreadable = _specs(site)
    with Busy("looking at the tasks"):
        found = _statuses(site, specs[-limit:] if limit else specs)
    if invocation.json:
        print_json([_as_json(spec, status) for spec, status in found])
    elif found:
        rows = [_row(spec, status) for spec, status in found]
        print_table(HEADINGS, rows, right=NUMBERS, spare=SPARE, counts=("states", STATES))
        if limit and (older := len(specs) - limit) > 0:
            say(f"{counted(older, 'older task')} left out: {command('list')}")
    elif not specs and not unreadable:
        say(f"There are no tasks in {site.place}: hpcbatch map --help shows how to make one.")


def _specs(site: Site) -> tuple[list[TaskSpec], int]:
    """All that can be read, oldest first, and how many cannot; they do not hide the others."""
    with warnings.catch_warnings(record=True) as damaged:
        warnings.simplefilter("always")
        specs = site.specs()
    for warning in damaged:
        say(str(warning.message))
    return specs, len(damaged)


def _statuses(site: Site, specs: Sequence[TaskSpec]) -> list[tuple[TaskSpec, TaskStatus]]:
    found = []
    statuses = site.statuses([spec.id for spec in specs])
    for spec, (task_id, told) in zip(specs, statuses, strict=True):
        if isinstance(told, HpcbatchError):
            say(f"{task_id}: {told}")
        else:
            found.append((spec, told))
    return found


def _as_json(spec: TaskSpec, status: TaskStatus) -> dict[str, Any]:
    told = {"created": spec.created, "user": spec.user, "function": spec.function}
    return {**status.to_json(), **told}


def _row(spec: TaskSpec, status: TaskStatus) -> list[str]:
    return [
        spec.id,
        str(spec.njobs),
        *(str(status.counts[state]) for state in STATES),
        str(status.attempts),
        status.why("expired"),
        ", ".join(status.clusters),
        clock(spec.created),
    ]
