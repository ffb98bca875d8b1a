"""``hpcbatch demo``: the whole way of a task, on the source files of Python itself."""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from .. import JobError, Task, TaskStatus, create
from ..cluster.cluster import Cluster
from ..handles.progress import Progress
from ..words.text import counted, plain
from . import demo_study as study
from .common import Invocation, command, common_here, print_json
from .exit_status import FAILED, FILES
from .stopping import Stop, left_alone

RESOURCES = {"element_walltime": "10m", "memory": "1GB"}
ELEMENTS = 24  # even load on a few cores, quickly started on a cluster
CANCEL_AFTER = 0.5  # of all jobs
TOP = 10
EXAMPLES = 3  # shown of each kind of error

Say = Callable[[str], None]
Seen = dict[int, tuple[int | None, float | None]]  # job -> (attempt, when it began)


@dataclass(frozen=True)
class Rerun:
    """What a cancellation and a resubmission did; ``repeated`` are finished jobs run again."""

    canceled: int
    attempts: dict[int, int]  # number of the attempt -> jobs that it resolved
    kept: int
    repeated: int


@click.command("demo")
@click.option("--cluster", default="local", show_default=True, help="Where the jobs run.")
@click.option(
    "--output",
    default="hpcbatch-demo.png",
    show_default=True,
    type=click.Path(dir_okay=False, writable=True),
    help="The picture to write.",
)
@click.option("--limit", type=click.IntRange(min=2), help="Look at fewer files than all.")
@common_here
def demo(invocation: Invocation, cluster: str, output: str, limit: int | None) -> None:
    """Measure the standard library's own source files, one job per file.

    Shows a submission, a cancellation half-way, the resubmission of only the unfinished, errors
    in groups, and a picture of the result.

    \b
    Examples:
      hpcbatch demo
      hpcbatch demo --cluster slurm --limit 300 --output slurm.png
    """
    told = _run(invocation, cluster, output, limit)
    if invocation.json:
        print_json(told)
    if told["repeated"]:
        raise Stop(f"{told['repeated']} finished jobs were run again", FAILED)


def _run(invocation: Invocation, cluster: str, output: str, limit: int | None) -> dict[str, Any]:
    """The demo itself; returns what ``--json`` prints."""
    say: Say = (lambda _: None) if invocation.json else click.echo
    began = time.monotonic()
    if not os.access(os.path.dirname(output) or ".", os.W_OK):
        raise Stop(f"the folder of {output} is absent or cannot be written to", FILES)
    Cluster.named(cluster).check_here()
    folder = study.library_folder()
    paths = study.choose(study.source_files(folder), limit)
    if not paths:
        raise Stop(f"there are no source files of Python's own below {folder}", FILES)
    version = platform.python_version()
    say(f"Python {version}: {len(paths):,} source files of its standard library, in {folder}.")
    task = _create(say, paths, invocation.root)
    try:
        rerun = _run_in_two_attempts(say, task, cluster, False if invocation.json else None)
    except KeyboardInterrupt:
        raise left_alone("the demo, whose task is", task.status()) from None
    errors = task.errors()
    _tell_errors(say, errors, paths, folder)
    rows = _collect(task, paths, folder)
    calls = _most_called(rows)
    _tell_table(say, rows, calls)
    title = f"Python {version}: {len(rows):,} files of the standard library (area: functions)"
    picture = _draw(say, rows, title, output)
    seconds = time.monotonic() - began
    say(f"\nDone in {seconds:.0f} s. The task stays in the registry as {task.id}, also named last:")
    say(f"  {command('status', 'last')}\n  {command('remove', 'last')}")
    return {
        "task": task.id,
        "cluster": cluster,
        "python": version,
        "files": len(paths),
        "counts": task.status().counts,
        "canceled": rerun.canceled,
        "attempts": rerun.attempts,
        "kept": rerun.kept,
        "repeated": rerun.repeated,
        "errors": {kind: len(some) for kind, some in _by_type(errors).items()},
        "most_complex": [
            {"module": name, "complexity": row["complexity"]} for name, row in rows[:TOP]
        ],
        "most_called": calls,
        "picture": picture,
        "seconds": round(seconds, 1),
    }


def _create(say: Say, paths: Sequence[str], root: str | None) -> Task:
    import cloudpickle

    # nodes of another cluster need Python, and no hpcbatch, to run functions of this package
    cloudpickle.register_pickle_by_value(study)
    try:
        task = create(study.measure, path=paths, name="stdlib", root=root)
    finally:
        cloudpickle.unregister_pickle_by_value(study)
    say(f"Task {task.id} has one job per file. Nothing runs yet.")
    return task


def _run_in_two_attempts(say: Say, task: Task, cluster: str, progress: bool | None) -> Rerun:
    """Submit, cancel half-way, resubmit what was cancelled, wait, and check what ran again."""
    chunk = _chunk(task)
    task.submit(cluster, resources=RESOURCES, chunk=chunk)
    say(f"\nSubmitted to {cluster}, {counted(chunk, 'job')} an element. Half-way it is cancelled.")
    _wait_for_half(task, progress)
    status = task.cancel()
    say(f"\nCancelled. What has a result keeps it:\n{task}")
    resolved = _resolved(task)
    _resubmit(say, task, status.canceled)
    task.wait(progress=progress)
    rerun = _compare(status.canceled, resolved, _resolved(task))
    _tell_rerun(say, task, rerun)
    return rerun


def _wait_for_half(task: Task, progress: bool | None) -> None:
    with Progress(task, progress) as bar:
        while True:
            status = task.status()
            bar.show(status)
            if status.idle or _finished(status) >= CANCEL_AFTER * status.njobs:
                return
            time.sleep(0.1)


def _finished(status: TaskStatus) -> int:
    return status.done + status.error


def _chunk(task: Task) -> int:
    return -(-len(task) // ELEMENTS)


def _resubmit(say: Say, task: Task, canceled: int) -> None:
    attempt = task.resubmit(only="canceled", chunk=_chunk(task))
    if attempt is None:
        say("\nAll jobs were finished before the cancellation, so none is submitted again.")
        return
    jobs = len(attempt.plan.jobs)
    late = f" ({canceled - jobs:,} others finished meanwhile)" if jobs < canceled else ""
    say(f"\nResubmitted only the {jobs:,} cancelled jobs{late}.")


def _resolved(task: Task) -> Seen:
    """The jobs that ran to their end, well or in error."""
    jobs = task.jobs(("done", "error"))
    return {job.index: (job.stats.attempt, job.stats.started) for job in jobs}


def _compare(canceled: int, before: Seen, after: Seen) -> Rerun:
    attempts = Counter(attempt for attempt, _ in after.values() if attempt is not None)
    repeated = sum(after.get(job) != seen for job, seen in before.items())
    return Rerun(canceled, dict(sorted(attempts.items())), len(before) - repeated, repeated)


def _tell_rerun(say: Say, task: Task, rerun: Rerun) -> None:
    say(f"\nAll jobs are resolved:\n{task}")
    for number, count in rerun.attempts.items():
        say(f"  attempt {number} resolved {count:,} jobs")
    say(f"  finished before the cancellation: {rerun.kept:,}; of these run again: {rerun.repeated}")


def _by_type(errors: Iterable[JobError]) -> dict[str, list[JobError]]:
    groups: dict[str, list[JobError]] = {}
    for error in errors:
        groups.setdefault(error.type or error.state, []).append(error)
    return groups


def _tell_errors(say: Say, errors: Sequence[JobError], paths: Sequence[str], folder: str) -> None:
    if not errors:
        say("\nNo job failed: this library has no file that cannot be parsed.")
        return
    say("\nJobs that failed, by the type of their error:")
    for kind, some in _by_type(errors).items():
        say(f"  {kind}: {len(some)}")
        for error in some[:EXAMPLES]:
            say(f"    {study.module_name(paths[error.index], folder)}: {plain(error.message)}")
        if len(some) > EXAMPLES:
            say(f"    and {len(some) - EXAMPLES} more")


def _collect(task: Task, paths: Sequence[str], folder: str) -> list[study.Row]:
    """Name and measures of the files that could be parsed, the most complex first."""
    found = task.collect(on_error="return")
    rows = [
        (study.module_name(path, folder), value)
        for path, value in zip(paths, found, strict=True)
        if not isinstance(value, JobError)
    ]
    return sorted(rows, key=lambda row: -row[1]["complexity"])


def _most_called(rows: Iterable[study.Row]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for _, row in rows:
        total.update(row["calls"])
    total.pop("", None)
    return dict(total.most_common(5))


def _tell_table(say: Say, rows: Sequence[study.Row], calls: dict[str, int]) -> None:
    say("\nThe most complex modules:")
    say(f"  {'module':<32}{'complexity':>10}{'lines':>8}{'documented':>12}  hardest function")
    for name, row in rows[:TOP]:
        hardest, complexity = row["hardest"]
        say(
            f"  {name:<32}{row['complexity']:>10,}{row['lines']:>8,}"
            f"{100 * row['documented']:>10.0f} %  {hardest} ({complexity})"
        )
    say("Most called: " + ", ".join(f"{name} {count:,}" for name, count in calls.items()) + ".")


def _draw(say: Say, rows: Sequence[study.Row], title: str, output: str) -> str | None:
    try:
        study.draw(rows, title, output)
    except ImportError:
        say("\nFor the picture, install matplotlib: pip install 'hpcbatch[demo]'")
        return None
    except OSError as error:
        raise Stop(f"the picture cannot be written: {error}", FILES) from error
    say(f"\nThe picture, size against complexity: {output}")
    return output
