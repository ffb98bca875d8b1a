"""watch: a live view on a terminal, a line a change when piped."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from ..sites.base import Site
from ..sites.watch import watch as statuses_of
from ..words.errors import JobError
from ..words.model import WENT_WRONG
from ..words.resources import parse_walltime
from ..words.status import TaskStatus
from ..words.text import counted, plain
from .common import Invocation, command, common, say, task_argument
from .exit_status import final_exit
from .formatting import on_terminal
from .stopping import left_alone
from .tables import hint_at_failures, print_status
from .waiting import Busy

if TYPE_CHECKING:
    from .live import StatusView

FAILURES = 5  # that the live view shows


@click.command("watch")
@task_argument
@click.option("--timeout", metavar="TIME", help="Stop watching after 90s, 10m, 2h …")
@common
def watch(invocation: Invocation, task: str, timeout: str | None) -> None:
    """Watch a task until nothing of it is alive. Ctrl-C leaves the task running.

    Exit status 0 tells that all jobs are done, 1 that some failed, 3 that some are not resolved.

    \b
    Examples:
      hpcbatch watch last
      hpcbatch watch 3f9a --timeout 10m
      hpcbatch watch last --json | jq .counts
    """
    seconds = None if timeout is None else parse_walltime(timeout, "--timeout")
    site, task_id = invocation.find(task)
    statuses = statuses_of(site, task_id, seconds)
    try:
        status = _viewer(invocation, site, task_id)(statuses)
    except KeyboardInterrupt:
        raise left_alone("watching", site.status(task_id)) from None
    if status.counts["defined"]:
        never = counted(status.counts["defined"], "job")
        say(f"{never} of {task_id} never submitted: {command('resubmit', task_id)}")
    if not invocation.json:
        hint_at_failures(status)
    click.get_current_context().exit(final_exit(status))


def _viewer(
    invocation: Invocation, site: Site, task_id: str
) -> Callable[[Iterator[TaskStatus]], TaskStatus]:
    if invocation.json:
        return _watch_json
    is_dumb = os.environ.get("TERM") == "dumb"
    return _LiveView(site, task_id) if on_terminal() and not is_dumb else _watch_lines


def _watch_json(statuses: Iterator[TaskStatus]) -> TaskStatus:
    """One object a change, each on a line of its own."""
    for status in _changes(statuses):
        click.echo(json.dumps(status.to_json()))
    return status


def _watch_lines(statuses: Iterator[TaskStatus]) -> TaskStatus:
    for status in _changes(statuses):
        click.echo(f"{time.strftime('%H:%M:%S')}  {status.id}  {_on_a_line(status)}")
    return status


def _on_a_line(status: TaskStatus) -> str:
    counts = []
    for state, count in status.counts.items():
        if count:
            why = status.why(state)
            counts.append(f"{count} {state} ({why})" if why else f"{count} {state}")
    counts += [f"{count} {word}" for word, count in status.besides.items()]
    told = [", ".join(counts), status.pace, *map(plain, status.notes)]
    return "; ".join(filter(None, told))


def _changes(statuses: Iterator[TaskStatus]) -> Iterator[TaskStatus]:
    last: TaskStatus | None = None
    for status in statuses:
        if last is None or _changing(status) != _changing(last):
            yield status
        last = status


def _changing(status: TaskStatus) -> tuple[object, ...]:
    return status.counts, status.reasons, status.besides, status.notes


class _LiveView:
    """The view of one task on a terminal. It ends with the status as it was last seen."""

    def __init__(self, site: Site, task_id: str):
        self._site, self._task_id = site, task_id
        self._seen: set[str] = set()
        self._failed: list[int] = []
        self._failures: list[JobError] = []

    def __call__(self, statuses: Iterator[TaskStatus]) -> TaskStatus:
        from rich.live import Live

        with Busy("looking at the jobs"):
            status = next(statuses)
        try:
            with Live(self._view(status), screen=True) as live:
                for status in statuses:
                    live.update(self._view(status))
        finally:
            print_status(status)
        return status

    def _view(self, status: TaskStatus) -> StatusView:
        from .live import StatusView

        self._seen |= {state for state, count in status.counts.items() if count}
        failed = [status.attempts, *(status.counts[state] for state in WENT_WRONG)]
        if failed != self._failed and any(failed[1:]):
            self._failures = self._site.newest_failures(self._task_id, FAILURES)
        self._failed = failed
        states = [state for state in status.counts if state in self._seen]
        return StatusView(status, states, self._failures, time.strftime("%H:%M:%S"))
