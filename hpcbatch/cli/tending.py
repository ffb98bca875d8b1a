"""tend: a loop in the foreground, to be left in tmux."""

from __future__ import annotations

import time
from typing import TypeGuard

import click

from ..sites.base import Site
from ..words.errors import HpcbatchError, NotFound, SiteUnreachable, UsageError
from ..words.resources import parse_walltime
from ..words.status import TaskStatus
from ..words.text import counted
from .common import Invocation, command, common, completed, print_json, say
from .exit_status import interruptible
from .formatting import plain_lines

EVERY = "30s"


Told = TaskStatus | HpcbatchError  # of a task


@click.command("tend")
@click.argument("tasks", metavar="[ID]...", nargs=-1, shell_complete=completed("task_ids"))
@click.option("--every", default=EVERY, show_default=True, metavar="TIME", help="Between looks.")
@click.option("--once", is_flag=True, help="Look once, and leave.")
@common
def tend(invocation: Invocation, tasks: tuple[str, ...], every: str, once: bool) -> None:
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
    if (site := invocation.site()).tends_itself:
        raise UsageError(f"{site.place} is a server, which tends its tasks itself")
    chosen = [site.find(task) for task in tasks] or None
    told: dict[str, Told] = {}
    begins = not (tasks or once or invocation.json)  # else who asks wants to know each
    with interruptible("the tasks go on; retries and notices wait for who tracks them next"):
        while True:
            alive = _look(invocation, site, chosen, told, begins, raises=once)
            begins = False
            if once or (chosen and not alive):
                return
            time.sleep(pause)


def _look(
    invocation: Invocation,
    site: Site,
    chosen: list[str] | None,
    told: dict[str, Told],
    begins: bool,
    raises: bool,
) -> bool:
    """Whether any of the tasks goes on, or may."""
    alive = False
    try:
        for task_id, found in site.statuses(chosen, tracks=True):
            before, told[task_id] = told.get(task_id), found
            alive |= _may_go_on(found)
            if _is_news(found, before, begins):
                _tell(invocation, task_id, found)
    except SiteUnreachable as error:
        if raises:
            raise
        say(f"hpcbatch: {plain_lines(str(error))}")
        return True
    if begins:
        _tell_of_rest(list(filter(_is_at_rest, told.values())))
    return alive


def _may_go_on(found: Told) -> bool:
    return not (found.idle if isinstance(found, TaskStatus) else isinstance(found, NotFound))


def _is_news(found: Told, before: Told | None, begins: bool) -> bool:
    if before is None:
        return not (begins and _is_at_rest(found))
    return _shown(before) != _shown(found)


def _is_at_rest(found: Told) -> TypeGuard[TaskStatus]:
    return isinstance(found, TaskStatus) and found.idle and not found.notes


def _tell_of_rest(at_rest: list[TaskStatus]) -> None:
    lacking = sum(status.counts["done"] < status.njobs for status in at_rest)
    if at_rest:
        without = f", {lacking} of them with jobs that have no result" if lacking else ""
        say(f"already at rest: {counted(len(at_rest), 'task')}{without} ({command('list')})")


def _shown(found: Told) -> tuple[object, ...]:
    if isinstance(found, HpcbatchError):
        return (str(found),)
    return found.counts, found.notes, found.attempts


def _tell(invocation: Invocation, task_id: str, found: Told) -> None:
    if isinstance(found, NotFound):
        say(f"hpcbatch: {task_id} was removed")
    elif isinstance(found, HpcbatchError):
        say(f"hpcbatch: {task_id}: {plain_lines(str(found))}")
    elif invocation.json:
        print_json(found.to_json())
    else:
        click.echo(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {found.id}  {found.tally}")
        for note in found.notes:
            say(f"  note: {plain_lines(note)}")
