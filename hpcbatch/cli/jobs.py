"""jobs, logs and errors."""

from __future__ import annotations

import codecs
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from ..sites.base import Site
from ..sites.wire import job_json
from ..use.groups import Group, grouped
from ..words.errors import UsageError
from ..words.model import RESOLVED, UNSUCCESSFUL
from ..words.ranges import Ranges, chosen
from ..words.status import JobInfo
from ..words.text import counted
from .common import (
    Invocation,
    command,
    common,
    jobs_option,
    listed,
    print_json,
    say,
    states_option,
    task_argument,
)
from .exit_status import INTERRUPTED
from .formatting import duration, on_terminal, plain_lines, size
from .stopping import Stop
from .tables import print_table, print_words
from .waiting import Busy

HEADINGS = ("job", "state", "reason", "attempt", "host", "elapsed", "cpu", "memory")
NUMBERS = ("job", "attempt", "elapsed", "cpu", "memory")
SPARE = ("cpu", "attempt", "memory", "elapsed")  # left out first on a narrow terminal
PAUSE = 0.5  # seconds between two looks at a log that is followed
LINES = 8  # of a message that are shown behind its first


@click.command("jobs")
@task_argument
@states_option("--state")
@jobs_option
@common
def jobs(invocation: Invocation, task: str, state: tuple[str, ...], jobs: str | None) -> None:
    """List the jobs of a task.

    STATES are defined, submitted, queued, running, done, error, expired, canceled.

    \b
    Examples:
      hpcbatch jobs last
      hpcbatch jobs last --state error,expired
      hpcbatch jobs 3f9a --jobs 3,7-9 --json
    """
    only = chosen(jobs)
    site, task_id = invocation.find(task)
    with Busy("looking at the jobs"):
        found = site.jobs(task_id, listed(state), only)
        rows = [] if invocation.json else list(map(_row, found))
        text = json.dumps(list(map(job_json, found))) if invocation.json else ""
    if invocation.json:
        click.echo(text)
    elif found:
        print_table(HEADINGS, rows, right=NUMBERS, spare=SPARE)
    else:
        say(f"No job of {task_id} is in that state.")


def _row(info: JobInfo) -> list[str]:
    return [
        str(info.index),
        info.state,
        info.reason,
        "" if info.attempt is None else str(info.attempt),
        info.host,
        duration(info.elapsed),
        duration(info.cpu),
        size(info.memory),
    ]


@click.command("errors")
@task_argument
@click.option("--traceback", is_flag=True, help="Show one traceback of each group.")
@common
def errors(invocation: Invocation, task: str, traceback: bool) -> None:
    """Group the failed jobs of a task by their message.

    \b
    Examples:
      hpcbatch errors last
      hpcbatch errors last --traceback
      hpcbatch errors 3f9a --json
    """
    site, task_id = invocation.find(task)
    with Busy("reading the errors"):
        groups = grouped(site.errors(task_id))
        infos = {info.index: info for info in site.jobs(task_id, UNSUCCESSFUL)} if groups else {}
    if invocation.json:
        print_json([_as_json(group, infos) for group in groups])
    elif not groups:
        say(f"No job of {task_id} failed.")
    for group in groups if not invocation.json else ():
        _print_group(group, infos, traceback)
    if not invocation.json and (job := _one_that_began(groups, infos)) is not None:
        say(f"What one of them printed: {command('logs', task_id, str(job))}")
        if not traceback and any(group.first.traceback for group in groups):
            say(f"Where it happened: {command('errors', task_id, '--traceback')}")


def _one_that_began(groups: Sequence[Group], infos: Mapping[int, JobInfo]) -> int | None:
    """Or one whose element has printed why it did not."""
    firsts = [group.first for group in groups]
    began = [one for one in firsts if one.index in infos and infos[one.index].started is not None]
    told = began or [one for one in firsts if one.traceback]
    return told[0].index if told else None


def _attempts_of(group: Group, infos: Mapping[int, JobInfo]) -> Ranges:
    found = (infos[index].attempt for index in group.indices if index in infos)
    return Ranges.of(attempt for attempt in found if attempt is not None)


def _as_json(group: Group, infos: Mapping[int, JobInfo]) -> dict[str, Any]:
    first = group.first
    return {
        "state": first.state,
        "type": first.type,
        "message": first.message,
        "count": len(group.indices),
        "jobs": str(group.jobs),
        "attempts": str(_attempts_of(group, infos)),
        "traceback": first.traceback,
    }


def _print_group(group: Group, infos: Mapping[int, JobInfo], traceback: bool) -> None:
    first = group.first
    told, *more = plain_lines(group.told).rstrip().split("\n")
    such = ", such as" if group.varies else ""
    print_words(counted(len(group.indices), "job"), " ", first.state, f"{such}: {told}")
    for line in more[-LINES:]:
        click.echo(f"    {line}")
    click.echo(f"  jobs {group.jobs}")
    if len(tried := _attempts_of(group, infos)):
        click.echo(f"  {'attempt' if len(tried) == 1 else 'attempts'} {tried}")
    if traceback and first.traceback:
        shown = plain_lines(first.traceback.rstrip()).replace("\n", "\n    ")
        click.echo(f"  job {first.index}:\n    {shown}")


@click.command("logs")
@task_argument
@click.argument("job", type=int, required=False, metavar="[JOB]")
@click.option("--follow", "-f", is_flag=True, help="Print on until the job is resolved.")
@common
def logs(invocation: Invocation, task: str, job: int | None, follow: bool) -> None:
    """Print what a job printed.

    The number of the JOB is not needed where there is one alone. With --follow it is the log of
    the job's element, which the element's other jobs write as well.

    \b
    Examples:
      hpcbatch logs last 7
      hpcbatch logs 3f9a 7 --follow
    """
    if follow and invocation.json:
        raise UsageError("--follow and --json exclude each other")
    site, task_id = invocation.find(task)
    if job is None:
        job = _only_one(site, task_id)
    if follow:
        _follow(site, task_id, job)
        return
    text = site.log(task_id, job)
    info = _info(site, task_id, job)
    if invocation.json:
        print_json({"id": task_id, "job": job, **_log_of(info), "log": text})
        return
    if on_terminal() or not text:
        say(f"{_facts(info)}{'' if text else ': it has printed nothing'}")
    if not text and info.state == "error":
        say(f"Where it failed: {command('errors', task_id, '--traceback')}")
    _write(text if not text or text.endswith("\n") else f"{text}\n")


def _only_one(site: Site, task_id: str) -> int:
    if (njobs := site.spec(task_id).njobs) > 1:
        raise UsageError(f"which job of {task_id}? one of 0 to {njobs - 1}")
    return 0


def _log_of(info: JobInfo) -> dict[str, Any]:
    fields = asdict(info)
    return {name: fields[name] for name in ("state", "reason", "attempt", "element", "host")}


def _facts(info: JobInfo) -> str:
    """``job 3 error (ValueError), attempt 1, element 0 on node7``."""
    told = [f"job {info.index} {info.state}" + (f" ({info.reason})" if info.reason else "")]
    if info.attempt is not None:
        told += [f"attempt {info.attempt}", f"element {info.element}"]
    return ", ".join(told) + (f" on {info.host}" if info.host else "")


def _info(site: Site, task_id: str, job: int) -> JobInfo:
    return site.jobs(task_id, None, _only(job))[0]


def _follow(site: Site, task_id: str, job: int) -> None:
    tail = _Tail(site, task_id)
    try:
        while True:
            info = _info(site, task_id, job)
            if info.attempt is not None and info.element is not None:
                _write(tail.read(info.attempt, info.element))
            if info.state in RESOLVED:
                return
            if info.state == "defined":
                raise UsageError(f"job {job} of {task_id} was never submitted")
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        raise Stop(f"stopped following; {task_id} goes on", INTERRUPTED, "Interrupted") from None


def _only(job: int) -> Ranges:
    if job < 0:
        raise UsageError(f"there is no job {job}")
    return Ranges([(job, job + 1)])


class _Tail:
    """What was added to a log since the last look; from its beginning for another element's."""

    def __init__(self, site: Site, task_id: str) -> None:
        self._site, self._task_id = site, task_id
        self._owner, self._place = (0, 0), 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read(self, attempt: int, element: int) -> str:
        if (attempt, element) != self._owner:
            self._owner, self._place = (attempt, element), 0
            self._decoder.reset()
        told = ""
        while added := self._site.element_log(self._task_id, attempt, element, self._place):
            self._place += len(added)
            told += self._decoder.decode(added)
        return told


def _write(text: str) -> None:
    """As it is when piped; a terminal gets nothing that it would obey."""
    sys.stdout.write(plain_lines(text) if on_terminal() else text)
    sys.stdout.flush()
