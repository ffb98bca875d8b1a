"""What was submitted: told, and waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..words.errors import NotSubmitted
from ..words.text import counted
from .common import Invocation, command, print_json, say
from .exit_status import SCHEDULER, final_exit
from .stopping import Stop, left_alone
from .tables import hint_at_failures, print_status

if TYPE_CHECKING:
    from ..sites.base import Site
    from ..words.model import Attempt, TaskSpec


def or_away(task_id: str, again: str) -> str:
    return f"{command('resubmit', task_id)}{again}, or {command('remove', task_id)}"


def how_to_go_on(task_id: str) -> str:
    """When Ctrl-C comes in the middle of a submission."""
    return (
        f"the task is stored. {command('status', task_id)} tells what was submitted; in a minute "
        f"{command('resubmit', task_id)} goes on with the rest: give it the same options"
    )


def finish(
    invocation: Invocation, site: Site, spec: TaskSpec, attempt: Attempt | None, wait: bool
) -> None:
    """Tell what was submitted; wait for it when asked to."""
    from ..handles.task import Task

    try:
        if not invocation.json:
            say(_what_was_submitted(site, spec, attempt))
            click.echo(spec.id)
        status = Task(site, spec.id).wait() if wait else None
    except KeyboardInterrupt:
        raise left_alone("waiting for", site.status(spec.id)) from None
    except NotSubmitted as error:  # it waited for its release, which was refused
        stored = f"The task is stored: {or_away(spec.id, ', with options as for map')}."
        raise Stop(f"{error}\n{stored}", SCHEDULER, type(error).__name__) from error
    if invocation.json:
        told = status.to_json() if status is not None else None
        print_json({**_as_json(site, spec, attempt), **({"status": told} if told else {})})
    elif status is not None:
        print_status(status)
        hint_at_failures(status)
    if status is not None:
        click.get_current_context().exit(final_exit(status))


def _what_was_submitted(site: Site, spec: TaskSpec, attempt: Attempt | None) -> str:
    if attempt is None and (notes := _waits_for_release(site, spec)):
        return f"{spec.id}: {notes}. See: {command('watch', spec.id)}"
    if attempt is None:
        return f"{spec.id}: nothing to submit, each job has a result or was not chosen"
    ids = ", ".join(str(array.id) for array in attempt.arrays)
    if attempt.arrays:
        elements = counted(attempt.plan.elements, "element")
        word = "array" if len(attempt.arrays) == 1 else "arrays"
        told = f"{counted(len(attempt.plan.jobs), 'job')} in {elements} on {attempt.cluster} "
        told += f"({word} {ids})"
    else:
        told = f"nothing submitted to {attempt.cluster} yet"
    if held_back := attempt.held_back.jobs:
        told += f"; {counted(len(held_back), 'job')} held back: status tells until when"
    return f"{told}. See: {command('watch', spec.id)}"


def _waits_for_release(site: Site, spec: TaskSpec) -> str:
    status = site.status(spec.id)
    return "; ".join(status.notes) if status.unreleased else ""


def _as_json(site: Site, spec: TaskSpec, attempt: Attempt | None) -> dict[str, Any]:
    told: dict[str, Any] = {"id": spec.id, "name": spec.name, "njobs": spec.njobs}
    told["folder"] = site.folder(spec.id)
    told["attempt"] = attempt.number if attempt else None
    told["jobs"] = len(attempt.plan.jobs) if attempt else 0
    told["elements"] = attempt.plan.elements if attempt else 0
    told["held_back"] = len(attempt.held_back.jobs) if attempt else 0
    told["cluster"] = attempt.cluster if attempt else None
    told["arrays"] = [array.id for array in attempt.arrays] if attempt else []
    return told
