"""What one element of a cluster shows: whether it starts, and what reaches it and comes back."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import cloudpickle

from ..cluster.cluster import Cluster
from ..disk.files import read, remove_tree
from ..disk.mounts import is_local_disk
from ..handles.task import Task
from ..handles.tasks import create
from ..registry.root import made_root
from ..words.errors import HpcbatchError, SubmissionError
from ..words.finding import Finding, fine, note, wrong
from ..words.messages import in_short
from ..words.text import counted, roughly
from . import node
from .dialling import DialTest, dialled, opened

RESOURCES = {"element_walltime": "10m", "memory": "500MB", "cpus": 1}
PINGS = 5
ANSWERS_WITHIN = 60.0  # seconds that a file may take from here to the node and back
APART = 5.0  # seconds that clocks may differ
SLOW = 5.0  # seconds there and back, from which on results are seen late


def check_node(cluster: str, root: str, patience: float) -> Iterator[Finding]:
    """By a task of one job, which is removed afterwards. ``patience``: seconds until it begins."""
    folder = tempfile.mkdtemp(prefix="doctor-", dir=made_root(root))
    try:
        with opened(Cluster.named(cluster).config.scheduler == "local") as door:
            task, exchange = _task(folder, root, patience, door), _Exchange(folder)
            try:
                yield from _asked(task, cluster, exchange, patience)
            finally:
                exchange.tell("bye")
                _end(task, exchange.has("hello"))
    finally:
        remove_tree(folder)


def _task(folder: str, root: str, patience: float, door: DialTest) -> Task:
    cloudpickle.register_pickle_by_value(node)
    try:
        alive = patience + (PINGS + 2) * ANSWERS_WITHIN
        constants = {"patience": alive, **door._asdict()}
        return create(node.answer, folder=[folder], const=constants, name="doctor", root=root)
    finally:
        cloudpickle.unregister_pickle_by_value(node)


def _asked(task: Task, cluster: str, exchange: _Exchange, patience: float) -> Iterator[Finding]:
    try:
        task.submit(cluster, resources=RESOURCES)
    except SubmissionError as error:
        advice = "hpcbatch script shows what is submitted; the profile can set queue and account"
        yield wrong("submission", in_short(error), advice)
        return
    except HpcbatchError as error:
        yield wrong("submission", in_short(error), "see hpcbatch config show")
        return
    began = time.monotonic()
    about = exchange.wait("hello", lambda: _ended(task) or time.monotonic() - began > patience)
    if about is None:
        yield _why_none(task, time.monotonic() - began)
        return
    waited = roughly(max(time.monotonic() - began, 1.0))
    version = ".".join(map(str, about["python"]))
    cores = counted(about["cpus"], "core")
    yield fine("node", f"{about['host']} after {waited}: Python {version}, {cores}")
    if about["python"][:2] != list(sys.version_info[:2]):
        yield wrong(
            "python", f"{about['executable']} is Python {version}", "set python: in the profile"
        )
    yield from _files(exchange)
    yield _lock(about, exchange.folder)
    yield _dialled(exchange)


def _ended(task: Task) -> bool:
    return task.status().resolved


def _why_none(task: Task, seconds: float) -> Finding:
    status = task.status()
    if status.resolved:
        job = task.job(0)
        told = job.reason or job.state
        lines = [line for line in job.log().splitlines() if line.strip()]
        said = f": {lines[-1].strip()}" if lines else ""
        return wrong("node", f"the element ended ({told}){said}", "mend that, then ask again")
    why = "; ".join(status.notes) or "it waits in the queue"
    told = f"no element began within {roughly(max(seconds, 1.0))}: {why}"
    return note("node", told, "ask again with a longer --wait, when the queue is shorter")


def _files(exchange: _Exchange) -> Iterator[Finding]:
    trips, offsets = [], []
    for number in range(PINGS):
        sent = time.time()
        begins = time.monotonic()
        exchange.tell(f"ping-{number}")
        pong = exchange.wait(
            f"pong-{number}", lambda begins=begins: time.monotonic() - begins > ANSWERS_WITHIN
        )
        if pong is None:
            told = f"a file written here did not reach the node within {ANSWERS_WITHIN:.0f} s"
            yield wrong("files", told, "put the registry on a disk that nodes share")
            return
        trips.append(time.monotonic() - begins)
        offsets.append(pong["time"] - (sent + trips[-1] / 2))
    longest = max(trips)
    told = (
        f"seen there and back within {_short(longest)}, mostly {_short(statistics.median(trips))}"
    )
    if longest > SLOW:
        yield note(
            "files", told, "results are seen that late; grace: in the profile waits for them"
        )
    else:
        yield fine("files", told)
    trip, offset = min(zip(trips, offsets, strict=True))
    if abs(offset) - trip > APART:
        told = f"that of the node is {_short(abs(offset))} {'ahead' if offset > 0 else 'behind'}"
        yield note("clocks", told, "states do not depend on it, times that are shown do")
    else:
        yield fine("clocks", f"within {_short(abs(offset) + trip)} of each other")


def _lock(about: dict[str, Any], folder: str) -> Finding:
    if about["lock"] != "held":
        told = f"the node cannot lock a file ({about['lock']})"
        return note("locks", told, "look at a task from the host that submitted it last")
    with open(f"{folder}/lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                return wrong("locks", f"a file cannot be locked here: {error.strerror}")
            if about["host"] == os.uname().nodename and is_local_disk(folder):
                return fine("locks", "work; the node is this host, so this tells of no other")
            return fine("locks", "one that the node holds keeps this host out")
    told = "one that the node holds does not keep this host out"
    advice = "look at a task from one host alone: the one that submitted it last"
    return wrong("locks", told, advice)


def _dialled(exchange: _Exchange) -> Finding:
    began = time.monotonic()
    exchange.tell("dial")
    told = exchange.wait("dialled", lambda: time.monotonic() - began > ANSWERS_WITHIN)
    return dialled(told and told["reached"])


def _end(task: Task, is_told: bool) -> None:
    """One that has begun was told to end, and is waited for."""
    with contextlib.suppress(HpcbatchError):
        if is_told:
            with contextlib.suppress(HpcbatchError):
                task.wait(timeout=20, progress=False)
        if not task.status().idle:
            task.cancel()
        task.remove()


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


class _Exchange:
    """Files that either side publishes, and the other one lists."""

    def __init__(self, folder: str):
        self.folder = folder

    def tell(self, name: str) -> None:
        with open(f"{self.folder}/{name}", "w"):
            pass

    def has(self, name: str) -> bool:
        return name in os.listdir(self.folder)

    def wait(self, name: str, enough: Any) -> dict[str, Any] | None:
        """What the node says in ``name``; None when ``enough`` says so before."""
        pause = 0.01
        while not self.has(name):
            if enough():
                return None
            time.sleep(pause)
            pause = min(pause * 1.3, 0.5)
        return dict(json.loads(read(f"{self.folder}/{name}")))
