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
from .formatting import plain_lines
from .stopping import interruptible

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
    looks = _Looks(invocation, site, chosen, once)
    with interruptible("the tasks go on; retries and notices wait for who tracks them next"):
        while looks.go_on() and not once:
            time.sleep(pause)


class _Looks:
    """At the tasks ``chosen``, or at all, again and again; ``once`` by one who will not come back
    soon: a person, or a program that has a clock of its own."""

    def __init__(self, invocation: Invocation, site: Site, chosen: list[str] | None, once: bool):
        self._invocation, self._site, self._chosen, self._once = invocation, site, chosen, once
        self._told: dict[str, Told] = {}
        self._is_first = True

    def go_on(self) -> bool:
        """Looks, and tells the news; whether there may be more. Raises SiteUnreachable, where it is
        the only look."""
        begins = self._is_first and not self._once
        alive = False
        try:
            for task_id, found in self._site.statuses(self._chosen, tracks=True, begins=begins):
                alive |= _may_go_on(found)
                if self._is_news(task_id, found):
                    _tell(self._invocation, task_id, found)
                self._told[task_id] = found
        except SiteUnreachable as error:
            if self._once:
                raise
            say(f"hpcbatch: {plain_lines(str(error))}")
            return True
        if self._counts_rest:
            _tell_of_rest(list(filter(_is_at_rest, self._told.values())))
        self._is_first = False
        return alive or self._chosen is None

    @property
    def _counts_rest(self) -> bool:
        """At first; but who names tasks, looks once, or is a program wants to know each."""
        return self._is_first and not (self._chosen or self._once or self._invocation.json)

    def _is_news(self, task_id: str, found: Told) -> bool:
        if (before := self._told.get(task_id)) is None:
            return not (self._counts_rest and _is_at_rest(found))
        return _shown(before) != _shown(found)


def _may_go_on(found: Told) -> bool:
    return not (found.idle if isinstance(found, TaskStatus) else isinstance(found, NotFound))


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
