"""Writes what the elements of a task's first attempt would write, from one process.

usage: python benchmarks/written.py TASK-FOLDER alive|ended UNFINISHED

``ended``: every job has a result, but for the first UNFINISHED. ``alive``: half of each element's
jobs have one and the next has begun; the process then holds its segments until its standard input
ends.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import subprocess
import sys
from collections.abc import Iterator

from hpcbatch.registry.attempts import read_attempts
from hpcbatch.runner.outcome import Outcome
from hpcbatch.runner.segment import Segment
from hpcbatch.words import events
from hpcbatch.words.layout import TaskLayout
from hpcbatch.words.ranges import Ranges


def write_ended(folder: str, unfinished: int = 0) -> None:
    """Results of the jobs of the task in ``folder``: job i has the value i."""
    argv = [sys.executable, __file__, folder, "ended", str(unfinished)]
    subprocess.run(argv, check=True, stdout=subprocess.PIPE)


@contextlib.contextmanager
def written_alive(folder: str) -> Iterator[None]:
    """Elements in the middle of their jobs, alive while entered."""
    argv = [sys.executable, __file__, folder, "alive", "0"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise SystemExit("the elements could not be written")
        yield
        process.communicate()


def _write(layout: TaskLayout, element: int, jobs: Ranges) -> Segment:
    segment = Segment(layout, 1, element)
    for job in jobs:
        started = segment.start(job)
        segment.finish(job, started, Outcome(events.DONE, pickle.dumps(job)))
    return segment


def main(folder: str, fate: str, unfinished: str) -> None:
    root, _, task_id = folder.rpartition("/")
    layout = TaskLayout(root, task_id)
    plan = read_attempts(layout)[0].plan
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    held = []
    for element in range(plan.elements):
        jobs = plan.jobs_of(element)
        if fate == "ended":
            _write(layout, element, jobs.without(Ranges([(0, int(unfinished))]))).close()
        else:
            half = len(jobs) // 2
            segment = _write(layout, element, jobs.slice(0, half))
            segment.start(next(iter(jobs.slice(half, half + 1))))
            held.append(segment)
    print("written", flush=True)
    if held:
        sys.stdin.read()


if __name__ == "__main__":
    os.umask(0o077)
    main(*sys.argv[1:])
