"""Releases what waits in the queue onto clusters: in turn between users, within the limits."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter
from dataclasses import replace
from threading import Event, Thread

from ..registry.registry import Registry
from ..sites import wire
from ..use.idempotency import made_for
from ..use.resubmit import resubmit
from ..use.submit import Terms, submit_defined
from ..words.errors import (
    AccessDenied,
    AlreadySubmitted,
    HpcbatchError,
    NotFound,
    ProgramMissing,
    StateError,
)
from ..words.messages import in_short
from .queue import QueuedSubmission, SubmissionQueue
from .settings import ServerOptions
from .tracking import Tracking
from .users import Users

PATIENCE = 120.0  # seconds that a task may be in no state for its submission
TRACKED_EVERY = 2.0  # seconds
RETRIED_AFTER = 5.0  # seconds
log = logging.getLogger("hpcbatch.server")


class Releaser(Thread):
    """One thread releases and tracks: what is submitted is tracked by the same hand."""

    def __init__(
        self,
        registry: Registry,
        users: Users,
        queue: SubmissionQueue,
        tracking: Tracking,
        options: ServerOptions,
    ):
        super().__init__(name="release", daemon=True)
        self._registry, self._users = registry, users
        self._queue, self._tracking = queue, tracking
        self._options = options
        self._wake, self._ends = Event(), False
        self._waits_until: dict[str, float] = {}  # entries that could not be submitted yet
        self._objections: dict[str, tuple[type[Exception], float]] = {}  # the last, since when

    def wake(self) -> None:
        """Something was added."""
        self._wake.set()

    def end(self) -> None:
        self._ends = True
        self._wake.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        tracked = float("-inf")
        while not self._ends:
            try:
                if time.monotonic() - tracked > TRACKED_EVERY:
                    self._tracking.track_all()
                    tracked = time.monotonic()
                self._release_some()
            except Exception:  # whatever it is, the next round must come
                log.exception("a round of the queue failed")
            self._wake.wait(self._options.task_queue_interval)
            self._wake.clear()

    def _release_some(self) -> None:
        pause = 1 / self._options.max_release_tasks_per_second
        while not self._ends and (entry := self._next()) is not None:
            began = time.monotonic()
            self._release(entry)
            self._wake.wait(max(0.0, pause - (time.monotonic() - began)))

    def _next(self) -> QueuedSubmission | None:
        """The oldest of the user who has the fewest tasks released."""
        running = self._tracking.running()
        if len(running) >= self._options.max_concurrent_tasks:
            return None
        now, waiting = time.monotonic(), self._queue.waiting()
        queued = {entry.task for entry in waiting}
        shares = Counter(self._owner(task_id) for task_id in running)
        ready = [
            entry
            for entry in waiting
            if self._waits_until.get(entry.name, now) <= now
            and not entry.after & (queued - {entry.task})
        ]
        return min(ready, key=lambda entry: shares[entry.owner], default=None)

    def _owner(self, task_id: str) -> str:
        try:
            return self._registry.spec(task_id).owner
        except HpcbatchError:
            return ""  # it was removed or damaged meanwhile

    def _release(self, entry: QueuedSubmission) -> None:
        """In the turn of its task: whoever cancels comes before or after."""
        with self._queue.turn(entry.task):
            if not self._queue.holds(entry):
                return
            try:
                self._submit_once(entry)
            except HpcbatchError as error:
                self._object(entry, error)
            except Exception as error:  # of one entry, which is to hold up no other
                log.exception("%s cannot be released", entry.task)
                self._object(entry, error)
            if not self._queue.holds(entry):
                self._waits_until.pop(entry.name, None)
                self._objections.pop(entry.name, None)

    def _submit_once(self, entry: QueuedSubmission) -> None:
        owner = self._users.get(entry.owner)
        if owner is not None and owner.revoked is not None:
            raise AccessDenied(f"the key of {owner.name} was revoked")
        try:
            self._registry.spec(entry.task)
        except NotFound:  # it was removed
            self._queue.finish(entry)
            return
        made = made_for(self._registry, entry.task, entry.request)
        if made is not None and made.is_in_doubt:
            self._wait(entry)  # whoever tracks it finds out; one that is given up is made again
            return
        if made is None or not made.is_taken:
            with contextlib.suppress(AlreadySubmitted):
                self._submit(entry)
        try:
            self._tracking.look_again(entry.task)  # first: nobody sees it as never submitted
        except HpcbatchError as error:
            log.warning("%s: %s", entry.task, error)
        self._queue.finish(entry)

    def _object(self, entry: QueuedSubmission, error: Exception) -> None:
        """Refuse what will never be; try again what may be."""
        kind, first = self._objections.get(entry.name, (None, 0.0))
        if is_news := kind is not type(error):
            first = time.monotonic()
        self._objections[entry.name] = type(error), first
        # no other host releases what this one cannot
        passes = getattr(error, "may_pass", False) and not isinstance(error, ProgramMissing)
        may_yet = isinstance(error, StateError) or not isinstance(error, HpcbatchError)
        if passes or (may_yet and time.monotonic() - first < PATIENCE):
            if is_news:  # it is tried again every few seconds
                log.warning("%s waits on: %s", entry.task, error)
            self._queue.trouble(entry, str(error))
            self._wait(entry)
        else:
            self._queue.refuse(entry, in_short(error) or repr(error))

    def _wait(self, entry: QueuedSubmission) -> None:
        pause = max(RETRIED_AFTER, self._options.task_queue_interval)
        self._waits_until[entry.name] = time.monotonic() + pause

    def _submit(self, entry: QueuedSubmission) -> None:
        # one that can take nothing now holds up no other: it is tried again
        limits = self._options
        terms = Terms(limits.max_nodetime, limits.max_concurrent_jobs, waits=False)
        if entry.verb == "submit":
            options = wire.options_from(entry.order["options"])
            options = replace(options, request=entry.request)
            submit_defined(self._registry, self._registry.spec(entry.task), options, terms)
        else:
            asked = wire.resubmission_from(entry.order)
            options = replace(asked.options, request=entry.request)
            resubmit(self._registry, entry.task, replace(asked, options=options), terms)
