"""watch: a live view on a terminal, a line a change when piped."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import click

from ..registry.registry import Registry
from ..use import service
from ..words.errors import WaitTimeout
from ..words.model import ALIVE, RESOLVED, TaskStatus, plain
from ..words.resources import parse_walltime
from .common import Setting, common, say, task_argument
from .exits import INTERRUPTED, Stop, final_exit
from .tables import COLOURS, print_status
from .text import counted, duration, on_terminal

PAUSES = (0.2, 2.0)  # seconds between two looks: the first, and the longest
RECENT = 60.0  # seconds that the throughput is measured over


@click.command("watch")
@task_argument
@click.option("--timeout", metavar="TIME", help="Stop watching after 90s, 10m, 2h …")
@common
def watch(setting: Setting, task: str, timeout: str | None) -> None:
    """Watch a task until nothing of it is alive. Ctrl-C leaves the task running.

    Exit status 0 tells that all jobs are done, 1 that some failed, 3 that some are not resolved.

    \b
    Examples:
      hpcbatch watch last
      hpcbatch watch 3f9a --timeout 10m
      hpcbatch watch last --json | jq .counts
    """
    seconds = None if timeout is None else parse_walltime(timeout)
    registry, task_id = setting.find(task)
    statuses = _statuses(registry, task_id, seconds)
    try:
        status = _viewer(setting)(statuses)
    except KeyboardInterrupt:
        raise Stop(
            f"stopped watching; {task_id} goes on. hpcbatch watch {task_id} watches again, "
            f"hpcbatch cancel {task_id} ends it.",
            INTERRUPTED,
            "Interrupted",
        ) from None
    if status.counts["defined"]:
        never = counted(status.counts["defined"], "job")
        say(f"{never} of {task_id} never submitted: hpcbatch resubmit {task_id}")
    click.get_current_context().exit(final_exit(status))


def _viewer(setting: Setting) -> Callable[[Iterator[TaskStatus]], TaskStatus]:
    if setting.json:
        return _watch_json
    is_dumb = os.environ.get("TERM") == "dumb"
    return _watch_live if on_terminal() and not is_dumb else _watch_lines


def _statuses(registry: Registry, task_id: str, timeout: float | None) -> Iterator[TaskStatus]:
    """The status again and again, ever less often, until nothing is alive. Raises WaitTimeout."""
    began = time.monotonic()
    pause, longest = PAUSES
    while True:
        status = service.status(registry, task_id)
        yield status
        if status.idle:
            return
        left = float("inf") if timeout is None else timeout - (time.monotonic() - began)
        if left <= 0:
            raise WaitTimeout(f"{task_id} did not resolve within {timeout} s; it goes on")
        time.sleep(min(pause, left))
        pause = min(pause * 1.3, longest)


def _watch_json(statuses: Iterator[TaskStatus]) -> TaskStatus:
    """One object a change, each on a line of its own."""
    for status in _changes(statuses):
        click.echo(json.dumps(status.to_json()))
    return status


def _watch_lines(statuses: Iterator[TaskStatus]) -> TaskStatus:
    for status in _changes(statuses):
        counts = ", ".join(f"{count} {state}" for state, count in status.counts.items() if count)
        notes = "".join(f"; {plain(note)}" for note in status.notes)
        click.echo(f"{time.strftime('%H:%M:%S')}  {status.id}  {counts}{notes}")
    return status


def _changes(statuses: Iterator[TaskStatus]) -> Iterator[TaskStatus]:
    last: TaskStatus | None = None
    for status in statuses:
        if last is None or (status.counts, status.notes) != (last.counts, last.notes):
            yield status
        last = status


def _watch_live(statuses: Iterator[TaskStatus]) -> TaskStatus:
    from rich.live import Live

    rate = Rate()
    with Live(transient=True, auto_refresh=False) as live:
        for status in statuses:
            rate.note(status)
            live.update(_view(status, rate), refresh=True)
    print_status(status)
    return status


class Rate:
    """Jobs resolved a second, of late."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, status: TaskStatus) -> None:
        now = time.monotonic()
        self._seen.append((now, sum(status.counts[state] for state in RESOLVED)))
        while now - self._seen[0][0] > RECENT:
            self._seen.popleft()

    def per_second(self) -> float:
        (began, first), (ended, last) = self._seen[0], self._seen[-1]
        return (last - first) / (ended - began) if ended > began else 0.0

    def told(self, status: TaskStatus) -> str:
        rate = self.per_second()
        if rate <= 0:
            return "no job resolved of late"
        left = sum(status.counts[state] for state in ALIVE) / rate
        speed = f"{rate:.1f} jobs/s" if rate >= 1 else f"{rate * 60:.1f} jobs/min"
        return f"{speed}, about {duration(left)} left"


def _view(status: TaskStatus, rate: Rate) -> Any:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    bars = Table.grid(padding=(0, 1))
    for state, count in status.counts.items():
        if count:
            colour = COLOURS.get(state, "default")
            bar = ProgressBar(
                status.njobs, count, width=40, complete_style=colour, finished_style=colour
            )
            bars.add_row(state, bar, str(count), f"{100 * count / status.njobs:.1f} %")
    title = f"{status.id}  {plain(status.name)}  ({', '.join(status.clusters)})"
    notes = [Text(f"note: {plain(note)}", style="yellow") for note in status.notes]
    ctrl_c = Text("Ctrl-C leaves the task running", style="dim")
    return Group(Text(title), bars, Text(rate.told(status)), *notes, ctrl_c)
