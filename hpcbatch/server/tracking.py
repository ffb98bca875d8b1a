"""What a server knows of its tasks: it tracks those that go on, so that nobody else has to."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from heapq import nsmallest
from threading import Lock

from ..registry.registry import Registry
from ..use import service
from ..words.errors import HpcbatchError, NotFound
from ..words.look import Look
from ..words.status import TaskStatus
from ..words.text import counted
from .queue import SubmissionQueue

FRESH = 1.0  # seconds that a status answers for
LOOKED_AT = 5  # tasks at rest that are looked at again with the others
log = logging.getLogger("hpcbatch.server")


class Tracking:
    """The last status of each task, and which of them go on."""

    def __init__(self, registry: Registry, queue: SubmissionQueue):
        self._registry, self._queue = registry, queue
        self._lock = Lock()
        self._known: dict[str, tuple[float, TaskStatus]] = {}
        self._warned: dict[str, str] = {}
        self._open = set(registry.ids())  # nobody knows what went on without a server

    def status(self, task_id: str, look: Look = Look.ONCE) -> TaskStatus:
        """As its clients see it: what waits for its release was submitted."""
        ahead = self._queue.ahead_of(task_id)  # first: a look is at least as new as the queue
        with self._lock:
            known = self._known.get(task_id)
        if look is Look.AFRESH or known is None or time.monotonic() - known[0] > FRESH:
            began = time.monotonic()
            known = self._keep(began, service.status(self._registry, task_id, look))
        return self._as_seen(known[1], ahead)

    def latest(self, ids: Sequence[str]) -> list[TaskStatus]:
        """As it was seen last, of all that can be read. Those that go on are tracked anyway; of
        the others a few are looked at, in turn: somebody may have submitted them without us."""
        places: dict[str, int] = {}
        for ahead, entry in enumerate(self._queue.waiting()):
            places.setdefault(entry.task, ahead)
        with self._lock:
            known = {id: self._known[id] for id in ids if id in self._known}
            resting = [id for id in known if id not in self._open]
        oldest = nsmallest(LOOKED_AT, resting, key=lambda id: known[id][0])
        for task_id in (*(id for id in ids if id not in known), *oldest):
            began = time.monotonic()
            try:
                known[task_id] = self._keep(began, service.status(self._registry, task_id))
            except NotFound:
                known.pop(task_id, None)
                self.forget(task_id)
            except HpcbatchError as error:
                self._warn(task_id, str(error))
        return [self._as_seen(known[id][1], places.get(id)) for id in ids if id in known]

    def running(self) -> set[str]:
        """Tasks that were released and go on."""
        with self._lock:
            return {id for id in self._open if id in self._known and not self._known[id][1].idle}

    def all_known(self) -> list[TaskStatus]:
        """As they were last seen."""
        with self._lock:
            return [status for _, status in self._known.values()]

    def look_again(self, task_id: str) -> None:
        """After it was submitted or canceled."""
        with self._lock:
            self._open.add(task_id)
            self._known.pop(task_id, None)  # what was known is no more
        began = time.monotonic()
        self._keep(began, service.status(self._registry, task_id))

    def forget(self, task_id: str) -> None:
        with self._lock:
            self._open.discard(task_id)
            self._known.pop(task_id, None)
            self._warned.pop(task_id, None)

    def track_all(self) -> None:
        """What whoever watches a task does, for all that go on: retries, parts, notifications."""
        with self._lock:
            waiting = sorted(self._open)
            resting = self._known.keys() - self._open
        for task_id in resting.difference(self._registry.ids()):  # somebody else removed it
            self.forget(task_id)
        for task_id in waiting:
            began = time.monotonic()
            try:
                status = service.track(self._registry, task_id)
            except NotFound:
                self.forget(task_id)
            except HpcbatchError as error:
                self._warn(task_id, str(error))
            else:
                self._keep(began, status)

    def _warn(self, task_id: str, what: str) -> None:
        """Once: it is looked at again every other second."""
        if self._warned.get(task_id) != what:
            log.warning("%s: %s", task_id, what)
        self._warned[task_id] = what

    def _keep(self, began: float, status: TaskStatus) -> tuple[float, TaskStatus]:
        """A look that began before another one is the older one, whenever it came back. A task
        goes on, too, because somebody has submitted it without us."""
        with self._lock:
            known = self._known.get(status.id)
            if known is None or known[0] <= began:
                known = self._known[status.id] = began, status
                (self._open.discard if status.idle else self._open.add)(status.id)
        return known

    def _as_seen(self, status: TaskStatus, ahead: int | None) -> TaskStatus:
        if ahead is None:
            why = self._queue.refusal(status.id)
            if not why or any(why in note for note in status.notes):  # as its attempt tells
                return status
            return replace(status, notes=(*status.notes, f"refused: {why}"))
        first = f"{counted(ahead, 'other submission')} before it" if ahead else "it is the next"
        note = f"waits in the queue of the server: {first}"
        if trouble := self._queue.trouble_of(status.id):
            note += f"; the last try failed and is made again: {trouble}"
        return status.waiting(note)
