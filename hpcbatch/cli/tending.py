"""tend: a loop in the foreground, to be left in tmux."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

import click

from ..registry.attempts import last_recorded
from ..registry.registry import Registry
from ..sites.base import Site
from ..sites.here import Here
from ..words.errors import HpcbatchError, NotFound, SiteUnreachable, UsageError
from ..words.resources import parse_walltime
from ..words.status import TaskStatus
from ..words.text import counted
from .common import Setting, command, common, completed, print_json, say
from .exit_status import interruptible
from .formatting import plain_lines

EVERY = "30s"


class LastKnown(NamedTuple):
    """What was last known of a task, and the number of its newest attempt before that."""

    status: TaskStatus
    last: int


@click.command("tend")
@click.argument("tasks", metavar="[ID]...", nargs=-1, shell_complete=completed("task_ids"))
@click.option("--every", default=EVERY, show_default=True, metavar="TIME", help="Between looks.")
@click.option("--once", is_flag=True, help="Look once, and leave.")
@common
def tend(setting: Setting, tasks: tuple[str, ...], every: str, once: bool) -> None:
    """Track tasks, retry what may be retried, tell of the end.

    Without an ID: all tasks of the registry, also those that come later. Prints a line per change;
    of tasks that are at rest when it begins, only how many there are. With --once, or --json, it
    tells of each task. With IDs it ends when nothing of them goes on. Leave it in tmux or screen;
    one is enough, more do no harm.

    \b
    Examples:
      hpcbatch tend
      hpcbatch tend 3f9a --every 5m
    """
    pause = parse_walltime(every, "--every")
    if (site := setting.site()).tends_itself:
        raise UsageError(f"{site.place} is a server, which tends its tasks itself")
    with interruptible("the tasks go on; retries and notices wait for who tracks them next"):
        if isinstance(site, Here):
            _tend_here(setting, site, tasks, pause, once)
        else:
            _tend_elsewhere(setting, site, tasks, pause, once)


def _tend_here(
    setting: Setting, site: Here, tasks: tuple[str, ...], pause: float, once: bool
) -> None:
    registry = site.registry
    chosen = [registry.find(task) for task in tasks]
    told: dict[str, LastKnown] = {}
    begins = _counts_rest(setting, tasks, once)
    while True:
        alive = False
        for task_id in chosen or registry.ids():
            if _is_open(registry, task_id, told.get(task_id)):
                alive |= _look(setting, site, task_id, told, begins)
        if begins:
            _tell_of_rest([last_known.status for last_known in told.values()])
        begins = False
        if once or (chosen and not alive):
            return
        time.sleep(pause)


def _tend_elsewhere(
    setting: Setting, site: Site, tasks: tuple[str, ...], pause: float, once: bool
) -> None:
    """One request an interval, whatever the number of tasks."""
    chosen = [site.find(task) for task in tasks] or None
    told: dict[str, TaskStatus] = {}
    begins = _counts_rest(setting, tasks, once)
    while True:
        alive = False
        try:
            for status in site.statuses(chosen, tracks=True):
                if isinstance(status, HpcbatchError):
                    alive |= not isinstance(status, NotFound)
                    say(f"hpcbatch: {plain_lines(str(status))}")
                    continue
                before = told.get(status.id)
                told[status.id] = status
                alive |= not status.idle
                if _is_news(status, before, begins):
                    _tell(setting, status)
            if begins:
                _tell_of_rest(list(told.values()))
            begins = False
        except SiteUnreachable as error:
            if once:
                raise
            say(f"hpcbatch: {plain_lines(str(error))}")
            alive = True
        if once or (chosen and not alive):
            return
        time.sleep(pause)


def _is_open(registry: Registry, task_id: str, told: LastKnown | None) -> bool:
    """Whether there may be something to do: it goes on, or was submitted again since."""
    return told is None or not told.status.idle or told.last != _last(registry, task_id)


def _last(registry: Registry, task_id: str) -> int:
    return last_recorded(registry.layout(task_id))


def _look(
    setting: Setting, site: Here, task_id: str, told: dict[str, LastKnown], begins: bool
) -> bool:
    """Whether the task goes on; what is wrong with one must not keep us from the others."""
    before = told.get(task_id)
    try:
        last = _last(site.registry, task_id)
        status = site.track(task_id)
    except NotFound:
        say(f"hpcbatch: {task_id} was removed")
        return False
    except HpcbatchError as error:
        say(f"hpcbatch: {task_id}: {plain_lines(str(error))}")
        return True
    told[task_id] = LastKnown(status, last)
    if _is_news(status, before and before.status, begins):
        _tell(setting, status)
    return not status.idle


def _counts_rest(setting: Setting, tasks: tuple[str, ...], once: bool) -> bool:
    """Else who asks wants to know each: a program, or who looks once, or names it."""
    return not (tasks or once or setting.json)


def _is_news(status: TaskStatus, before: TaskStatus | None, begins: bool) -> bool:
    if before is None:
        return not (begins and _is_at_rest(status))
    return _shown(before) != _shown(status)


def _is_at_rest(status: TaskStatus) -> bool:
    return status.idle and not status.notes


def _tell_of_rest(statuses: Iterable[TaskStatus]) -> None:
    at_rest = list(filter(_is_at_rest, statuses))
    lacking = sum(status.counts["done"] < status.njobs for status in at_rest)
    if at_rest:
        without = f", {lacking} of them with jobs that have no result" if lacking else ""
        say(f"already at rest: {counted(len(at_rest), 'task')}{without} ({command('list')})")


def _shown(status: TaskStatus) -> tuple[object, ...]:
    return status.counts, status.notes, status.attempts


def _tell(setting: Setting, status: TaskStatus) -> None:
    if setting.json:
        print_json(status.to_json())
        return
    click.echo(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {status.id}  {status.tally}")
    for note in status.notes:
        say(f"  note: {plain_lines(note)}")
