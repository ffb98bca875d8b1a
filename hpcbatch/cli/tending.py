"""tend: a loop in the foreground, to be left in tmux."""

from __future__ import annotations

import time

import click

from ..registry.attempts import last_recorded
from ..registry.registry import Registry
from ..sites.base import Site
from ..sites.here import Here
from ..use import service
from ..use.service import Tracked
from ..words.errors import HpcbatchError, NotFound, SiteUnreachable
from ..words.resources import parse_walltime
from ..words.status import TaskStatus
from ..words.text import counted
from .common import Setting, command, common, completed, print_json, say
from .exit_status import interruptible
from .formatting import plain_lines

EVERY = "30s"


@click.command("tend")
@click.argument("tasks", metavar="[ID]...", nargs=-1, shell_complete=completed("task_ids"))
@click.option("--every", default=EVERY, show_default=True, metavar="TIME", help="Between looks.")
@click.option("--once", is_flag=True, help="Look once, and leave.")
@common
def tend(setting: Setting, tasks: tuple[str, ...], every: str, once: bool) -> None:
    """Track tasks, retry what may be retried, tell of the end.

    Without an ID: all tasks of the registry, also those that come later. Prints a line per change;
    of tasks that were seen at rest before, only how many there are. Leave it in tmux or screen; one
    is enough, more do no harm.

    \b
    Examples:
      hpcbatch tend
      hpcbatch tend 3f9a --every 5m
    """
    pause = parse_walltime(every, "--every")
    site = setting.site()
    with interruptible("the tasks go on; retries and notices wait for who tracks them next"):
        if isinstance(site, Here):
            _tend_here(setting, site.registry, tasks, pause, once)
        else:
            _tend_elsewhere(setting, site, tasks, pause, once)


def _tend_here(
    setting: Setting, registry: Registry, tasks: tuple[str, ...], pause: float, once: bool
) -> None:
    chosen = [registry.find(task) for task in tasks]
    teller = _Teller(setting, begins=not chosen)
    before: dict[str, int] = {}  # the newest attempt of each when it was looked at
    while True:
        alive = False
        for task_id in chosen or registry.ids():
            last = last_recorded(registry.layout(task_id))
            if before.get(task_id) != last or not teller.has_told_the_end_of(task_id):
                before[task_id] = last
                alive |= _look(teller, registry, task_id)
        teller.tell_of_rest()
        if once or (chosen and not alive):
            return
        time.sleep(pause)


def _tend_elsewhere(
    setting: Setting, site: Site, tasks: tuple[str, ...], pause: float, once: bool
) -> None:
    """One request an interval, whatever the number of tasks."""
    chosen = [site.find(task) for task in tasks] or None
    teller = _Teller(setting, begins=chosen is None)
    while True:
        alive = False
        try:
            for found in site.tracked(chosen):
                if isinstance(found, HpcbatchError):
                    say(f"hpcbatch: {plain_lines(str(found))}")
                    continue
                teller.see(found)
                alive |= not found.status.idle
            teller.tell_of_rest()
        except SiteUnreachable as error:
            if once:
                raise
            say(f"hpcbatch: {plain_lines(str(error))}")
            alive = True
        if once or (chosen and not alive):
            return
        time.sleep(pause)


def _look(teller: _Teller, registry: Registry, task_id: str) -> bool:
    """Whether the task goes on; what is wrong with one must not keep us from the others."""
    try:
        found = service.tracked(registry, task_id)
    except NotFound:
        say(f"hpcbatch: {task_id} was removed")
        return False
    except HpcbatchError as error:
        say(f"hpcbatch: {task_id}: {plain_lines(str(error))}")
        return True
    teller.see(found)
    return not found.status.idle


class _Teller:
    """Tells what changes. While it ``begins``, what was at rest before is only counted."""

    def __init__(self, setting: Setting, begins: bool):
        self._setting, self._begins = setting, begins
        self._last: dict[str, TaskStatus] = {}
        self._at_rest = 0

    def see(self, found: Tracked) -> None:
        status, before = found.status, self._last.get(found.status.id)
        self._last[status.id] = status
        if self._begins and status.idle and not (found.is_news or status.notes):
            self._at_rest += 1
        elif before is None or _shown(before) != _shown(status):
            self._tell(status)

    def has_told_the_end_of(self, task_id: str) -> bool:
        return task_id in self._last and self._last[task_id].idle

    def tell_of_rest(self) -> None:
        """After the first look at all of them."""
        self._begins = False
        if self._at_rest:
            say(f"already at rest: {counted(self._at_rest, 'task')} ({command('list')})")
        self._at_rest = 0

    def _tell(self, status: TaskStatus) -> None:
        if self._setting.json:
            print_json(status.to_json())
            return
        click.echo(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {status.id}  {status.tally}")
        for note in status.notes:
            say(f"  note: {plain_lines(note)}")


def _shown(status: TaskStatus) -> tuple[dict[str, int], tuple[str, ...]]:
    return status.counts, status.notes
