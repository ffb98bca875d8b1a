"""cancel and remove."""

from __future__ import annotations

import sys

import click

from ..words.ranges import chosen
from ..words.text import counted
from .common import (
    Invocation,
    command,
    common,
    jobs_option,
    print_json,
    say,
    task_argument,
)
from .exit_status import INTERRUPTED, SCHEDULER, WAITING
from .stopping import Stop, interruptible
from .tables import print_status
from .waiting import Busy

yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


@click.command("cancel")
@task_argument
@jobs_option
@yes_option
@common
def cancel(invocation: Invocation, task: str, jobs: str | None, yes: bool) -> None:
    """Cancel the jobs that have no result yet. Results that are there stay. Safe to repeat.

    On a terminal it asks first.

    \b
    Examples:
      hpcbatch cancel last
      hpcbatch cancel 3f9a --jobs 3,7-9
      hpcbatch cancel 3f9a --yes
    """
    site, task_id = invocation.find(task)
    ask(f"Cancel what is not resolved of {task_id}?" if jobs is None else f"Cancel {jobs}?", yes)
    again = command("cancel", task_id, *(() if jobs is None else ("--jobs", jobs)))
    with Busy("cancelling"), interruptible(f"some of it may be canceled; {again} goes on"):
        done = site.cancel(task_id, chosen(jobs))
        status = site.status(task_id)
    if invocation.json:
        told = {"canceled_now": done.jobs, "objections": done.objections, "left": done.left}
        print_json({**status.to_json(), **told})
    else:
        print_status(status)
        nothing = "Nothing was left to cancel." if done.is_nothing else "Nothing was canceled."
        say(f"Canceled: {counted(done.jobs, 'job')}." if done.jobs else nothing)
    for each in (*done.objections, *filter(None, [done.left])):
        say(f"hpcbatch: {each}")
    if done.objections:
        say(f"hpcbatch: to ask it again: {again}")
    if done.objections or done.left:
        click.get_current_context().exit(SCHEDULER if done.objections else WAITING)


@click.command("remove")
@task_argument
@yes_option
@common
def remove(invocation: Invocation, task: str, yes: bool) -> None:
    """Delete a task and its results. Refused while jobs of it are alive: cancel it first.

    On a terminal it asks first.

    \b
    Examples:
      hpcbatch remove 3f9a
      hpcbatch remove last --yes
    """
    site, task_id = invocation.find(task)
    ask(f"Delete {task_id} and its results?", yes)
    with Busy("deleting"), interruptible(_left_of(task_id)):
        site.remove(task_id)
    if invocation.json:
        print_json({"removed": task_id})
    else:
        say(f"Removed {task_id}.")


def _left_of(task_id: str) -> str:
    """By a removal that Ctrl-C has ended."""
    return (
        f"{command('list')} tells whether {task_id} is still there; files that are left of it go "
        "with the next one that is removed"
    )


def ask(question: str, yes: bool) -> None:
    """On a terminal, unless ``yes``. Raises Stop for a no."""
    if yes or not sys.stdin.isatty():
        return
    with interruptible("nothing was changed"):
        if not click.confirm(question, err=True):
            raise Stop("nothing was changed", INTERRUPTED, "Interrupted")
