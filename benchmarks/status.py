"""What a look at tasks costs, and how soon it tells the truth."""

from __future__ import annotations

import itertools
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import Peer, Row, below, faster, output, seconds, square, use_fake_slurm
from slurm import is_here
from written import write_ended, written_alive

import hpcbatch as hb
from hpcbatch.cluster.schedulers import get_scheduler
from hpcbatch.registry.attempts import read_attempts
from hpcbatch.use.follow import GRACE_LOCAL
from hpcbatch.words.layout import TaskLayout
from hpcbatch.words.model import Array

ELEMENTS = 1000
RUN_SECONDS = 600

STATUS = """
import sys, time
import hpcbatch as hb
task = hb.restore(sys.argv[1])
for run in range(int(sys.argv[2])):
    began = time.perf_counter()
    status = task.status()
    print(time.perf_counter() - began)
lines = open("/proc/self/status").read().split("VmHWM:")
print(int(lines[1].split()[0]) // 1024, status.done)
"""


def alive(work: Path) -> Iterator[Row]:
    """Every element runs: each status opens all segments."""
    task = _submitted(work / "alive-bin", 100_000)
    with written_alive(task.folder):
        yield from _status_rows(task, "1,000 alive", 50_000)


def ended(work: Path) -> Iterator[Row]:
    task = _submitted(work / "ended-bin", 100_000)
    write_ended(task.folder)
    yield from _status_rows(task, "1,000 ended", 100_000)


def against_peer(work: Path) -> Iterator[Row]:
    """States of jobs that wait: their polling stats a file a job."""
    jobs = 100_000
    task = _submitted(work / "states-bin", jobs)
    with Peer("submitit_collect.py", work / "states", jobs, "states") as peer:
        theirs = [peer.seconds() for _ in range(3)]
    task.status()
    ours = [seconds(task.status) for _ in range(5)]
    yield faster(f"status of {jobs:,} jobs that wait", ours, theirs, "submitit", 20)


def memory(work: Path) -> Iterator[Row]:
    task = _submitted(work / "memory-bin", 1_000_000)
    with written_alive(task.folder):
        for run in ("first", "again"):
            times, peak, _ = _status(task, 1)
            what = f"status of 1,000,000 jobs, {run} ({times[0]:.2f} s), peak memory"
            yield below(what, peak, 200, "MB")


def death(work: Path) -> Iterator[Row]:
    """From the death of an element until its job is expired, on clusters that are here."""
    interval = get_scheduler("local").poll_seconds[1]
    configuration = work / "death.yaml"
    configuration.write_text(f"clusters: {{local: {{poll_seconds: [{interval}, {interval}]}}}}\n")
    os.environ["HPCBATCH_CONFIG"] = str(configuration)
    os.environ["HPCBATCH_LOCAL_SLOTS"] = "4"
    took = max(_waits_for_deaths(work))
    what = f"death seen by wait(), local, polled every {interval:.0f} s: longest of 3"
    yield below(what, took, 5, "s")
    configuration.write_text("{}\n")
    task, pid = _sleeping(work, "local")
    os.kill(pid, signal.SIGKILL)
    took = seconds(lambda: _until_expired(task))
    yield below("death seen by status(), local", took, 5, "s")
    if not is_here():
        yield Row("death seen by status(), Slurm", "skipped: no Slurm answers here")
        return
    task, _ = _sleeping(work, "slurm")
    # --batch: the process alone; else the element is cancelled, and told so by SIGTERM first
    argv = ["scancel", "--batch", "--signal=KILL", f"{_arrays(task)[0].id}_0"]
    took = seconds(lambda: _until_expired(task, after=argv))
    shortest = get_scheduler("slurm").poll_seconds[0]
    bar = 2 * shortest + GRACE_LOCAL
    yield below("death seen by status(), Slurm", took, bar, "s", "2 polls and the grace")


def polling(work: Path) -> Iterator[Row]:
    """Scheduler commands of 10 clients who watch 50 tasks of one user."""
    fake = use_fake_slurm(work / "polling-bin")
    listing = []
    for _ in range(50):
        task = hb.create(square, range(10)).submit("slurm", chunk=1)
        for array in _arrays(task):
            listing += _listed(array, 10)
    (fake / "listing").write_text("\n".join(listing) + "\n")
    program = (
        "import time, hpcbatch as hb\n"
        "end = time.time() + 30\n"
        "looks = 0\n"
        "while time.time() < end:\n"
        "    for task in hb.tasks(): looks += task.status().queued == 10\n"
        "    time.sleep(0.1)\n"
        "print(looks)"
    )
    argv = [sys.executable, "-c", program]
    clients = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(10)]
    looks = sum(int(client.communicate()[0]) for client in clients)
    times = [float(line) for line in (fake / "listings").read_text().split()]
    shortest = min(later - former for former, later in itertools.pairwise(times))
    told = f"{looks:,} looks that saw all; {shortest:.2f} s apart at least"
    yield below("listings in 30 s: 50 tasks, 10 clients", len(times), 17, "commands", told)


def commands(work: Path) -> Iterator[Row]:
    """Of schedulers, by one client who waits for 1,000 elements that run for ten minutes."""
    _submitted(work / "first-bin", 10, 10)  # the cluster's limits are asked once a day
    theirs = use_fake_slurm(work / "submitit-bin")
    rows = [f"1_{index}|RUNNING|node" for index in range(ELEMENTS)]
    (theirs / "history").write_text("\n".join(["JobID|State|NodeList", *rows]) + "\n")
    with Peer("submitit_wait.py", work / "submitit", ELEMENTS) as peer:
        task = _submitted(work / "commands-bin", ELEMENTS)
        program = "import sys, hpcbatch as hb; print(hb.restore(sys.argv[1]).wait().done)"
        argv = [sys.executable, "-c", program, task.id]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as client:
            time.sleep(RUN_SECONDS)
            write_ended(task.folder)
            peer.seconds()
            if client.communicate()[0].strip() != f"{ELEMENTS}":
                raise SystemExit("jobs of 1,000 are not done")
    mine, other = (
        (fake / "commands").read_text().split() for fake in (work / "commands-bin", theirs)
    )
    what = f"scheduler commands in {RUN_SECONDS // 60} minutes of 1,000 elements"
    told = f"submitit {_counted(other)}"
    most = len(other)
    yield Row(what, _counted(mine), told, "", f"<= {most}", len(mine) <= most)


def _counted(words: Sequence[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in Counter(words).items())


def _submitted(fake: Path, jobs: int, elements: int = ELEMENTS) -> hb.Task:
    """A task that a Slurm took which lists all elements as running."""
    use_fake_slurm(fake)
    task = hb.create(square, range(jobs)).submit("slurm", chunk=jobs // elements)
    rows = _listed(_arrays(task)[0], elements)
    (fake / "listing").write_text("\n".join(rows) + "\n")
    return task


def _status_rows(task: hb.Task, what: str, done: int) -> Iterator[Row]:
    """In a fresh process, as a person's would be."""
    times, _, found = _status(task, 30)
    if found != done:
        raise SystemExit(f"{found} jobs are done, and {done} should be")
    first, again = times[0], times[1:]
    yield below(f"status of 100,000 jobs, elements: {what}, first", first, 1, "s")
    median = statistics.median(again) * 1000
    note = f"longest {max(again) * 1000:.0f} ms"
    yield below(f"status of 100,000 jobs, elements: {what}, again", median, 50, "ms", note)


def _status(task: hb.Task, runs: int) -> tuple[list[float], int, int]:
    """Seconds of each call in a fresh process, its peak memory in MB, and jobs that are done."""
    *times, last = output([sys.executable, "-c", STATUS, task.id, str(runs)]).splitlines()
    peak, done = map(int, last.split())
    return list(map(float, times)), peak, done


def _sleeping(work: Path, cluster: str) -> tuple[hb.Task, int]:
    """A task of one job that sleeps, and the pid of its process."""
    told = work / f"pid-{os.urandom(3).hex()}"
    task = hb.create(_sleep, [str(told)]).submit(cluster)
    try:
        _until(lambda: told.exists() and task.status().running == 1)
    except BaseException:
        task.cancel()
        raise
    return task, int(told.read_text())


def _sleep(told: str) -> None:
    with open(f"{told}.new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(f"{told}.new", told)
    time.sleep(600)


def _waits_for_deaths(work: Path) -> list[float]:
    """Seconds from kill -9 until wait() returns which has been waiting for a while."""
    sleeping = [_sleeping(work, "local") for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        returned = [pool.submit(_time_of_end, task) for task, _ in sleeping]
        time.sleep(10)  # until wait() looks as seldom as it ever does
        killed = []
        for _, pid in sleeping:
            os.kill(pid, signal.SIGKILL)
            killed.append(time.monotonic())
            time.sleep(0.7)  # at another moment between two polls
        return [end.result() - begin for end, begin in zip(returned, killed, strict=True)]


def _time_of_end(task: hb.Task) -> float:
    task.wait(timeout=120)
    return time.monotonic()


def _until_expired(task: hb.Task, after: Sequence[str] = ()) -> None:
    if after:
        subprocess.run(after, check=True)
    _until(lambda: task.status().expired == 1)


def _until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 120
    while not true():
        if time.monotonic() > give_up:
            raise SystemExit("in vain: it did not come within 120 s")
        time.sleep(0.05)


def _listed(array: Array, elements: int) -> list[str]:
    """As squeue lists them when they run."""
    return [f"{array.id}_{index}|RUNNING|None|{array.name}" for index in range(elements)]


def _arrays(task: hb.Task) -> list[Array]:
    root, _, task_id = task.folder.rpartition("/")
    attempts = read_attempts(TaskLayout(root, task_id))
    return [array for attempt in attempts for array in attempt.submitted_arrays]
