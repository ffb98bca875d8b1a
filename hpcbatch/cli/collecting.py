"""collect."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import click

from ..handles.loading import Loader
from ..sites.base import Site
from ..words.errors import JobError
from ..words.model import ALIVE, UNFINISHED
from ..words.ranges import Ranges, chosen
from ..words.status import JobInfo
from ..words.text import counted
from .common import (
    Invocation,
    command,
    common,
    completed,
    jobs_option,
    print_json,
    say,
    task_argument,
)
from .exit_status import FAILED, WAITING
from .stopping import Stop, interruptible
from .waiting import Busy
from .writers import Row, json_row, replacing, write_jsonl, write_list, writer_for

SHOWN = 5  # failures in the sentence that refuses to collect


@click.command("collect")
@task_argument
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    shell_complete=completed("files"),
    help="A .json, .jsonl, .csv or .pkl file.",
)
@click.option(
    "--on-error",
    type=click.Choice(["raise", "return", "skip"]),
    default="raise",
    show_default=True,
    help="A job without a result: refuse, put null or its error, or leave it out.",
)
@jobs_option
@common
def collect(
    invocation: Invocation, task: str, output: str | None, on_error: str, jobs: str | None
) -> None:
    """Collect the results in the order of the inputs.

    .json is a list; .jsonl has a row {"job": …, "result": …} or {"job": …, "error": …} a job;
    .csv makes columns of results that are dicts; .pkl is the pickled list. The file is written
    whole or not at all. Without -o the rows of .jsonl go to standard output.

    Unless --on-error says otherwise, nothing is written while some jobs have no result: exit
    status 3 when they are not resolved yet, 1 when they failed.

    \b
    Examples:
      hpcbatch collect last -o results.json
      hpcbatch collect last -o table.csv --on-error skip
      hpcbatch collect 3f9a --jobs 3,7-9 | jq .result
    """
    only = chosen(jobs)
    write = writer_for(output) if output is not None else None
    site, task_id = invocation.find(task)
    with Busy("looking at the jobs"):
        lacking = _lacking(site, task_id, only, on_error)
    results = ChosenResults(site, task_id, only, on_error)
    if output is None or write is None:
        _print(results, invocation.json)
    else:
        with (
            Busy("collecting") as results.busy,
            replacing(output) as file,
            interruptible(f"nothing was written to {output}"),
        ):
            count = write(file, results.rows)
        _tell(invocation, task_id, output, count, len(lacking))
    if lacking:
        what = "left out" if on_error == "skip" else "marked"
        say(f"{counted(len(lacking), 'job')} of {task_id} without a result: {what}.")


@dataclass
class ChosenResults:
    """The results that were asked for, read anew for each walk through them."""

    site: Site
    task_id: str
    only: Ranges | None
    on_error: str
    busy: Busy | None = None
    walks: int = 0

    def rows(self) -> Iterator[Row]:
        """Raises JobError when a result is damaged, or its class cannot be imported here."""
        self.walks += 1
        read = "read" if self.walks == 1 else "read again"
        loader = Loader(self.site, self.task_id)
        found = self.site.collect(self.task_id, self.only)
        for count, (job, value) in enumerate(found):
            if self.busy is not None:
                self.busy.text = f"collecting: {count} {read}"
            if not isinstance(value, JobError):
                yield job, _load(loader, job, value)
            elif self.on_error == "raise":
                raise value
            elif self.on_error == "return":
                yield job, value


def _load(loader: Loader, job: int, value: bytes) -> object:
    # what a module prints while it is loaded must not get into our answer
    with contextlib.redirect_stdout(sys.stderr):
        return loader.load(job, value)


def _print(results: ChosenResults, as_list: bool) -> None:
    stream = sys.stdout.buffer
    if as_list:
        write_list(stream, (json_row(job, value) for job, value in results.rows()))
    else:
        write_jsonl(stream, results.rows)
    stream.flush()


def _tell(invocation: Invocation, task_id: str, output: str, count: int, lacking: int) -> None:
    if invocation.json:
        print_json({"id": task_id, "file": output, "rows": count, "without_result": lacking})
    else:
        say(f"{counted(count, 'row')} of {task_id} written to {output}.")


def _lacking(site: Site, task_id: str, only: Ranges | None, on_error: str) -> list[JobInfo]:
    """The jobs without a result; ends the command where they are in the way."""
    lacking = site.jobs(task_id, UNFINISHED, only)
    if lacking and on_error == "raise":
        raise _refusal(site, task_id, lacking)
    return lacking


def _refusal(site: Site, task_id: str, lacking: list[JobInfo]) -> Stop:
    alive = sum(info.state in ALIVE for info in lacking)
    defined = sum(info.state == "defined" for info in lacking)
    go_on = "To take what is there: --on-error skip, or return."
    if alive:
        told = f"{counted(alive, 'job')} of {task_id} still waiting or running"
        return Stop(f"{told}: {command('watch', task_id)}. {go_on}", WAITING, "NotResolved")
    if defined:
        told = f"{counted(defined, 'job')} of {task_id} never submitted"
        return Stop(f"{told}: {command('resubmit', task_id)}. {go_on}", WAITING, "NotResolved")
    first = Ranges.of(info.index for info in lacking[:SHOWN])
    failures = [str(found) for _, found in site.collect(task_id, first)]
    more = [f"… and {len(lacking) - SHOWN} more"] if len(lacking) > SHOWN else []
    lines = [f"{counted(len(lacking), 'job')} of {task_id} without a result:", *failures, *more]
    lines.append(f"{command('errors', task_id)} groups them. {go_on}")
    return Stop("\n".join(lines), FAILED, "TaskFailed")
