"""Releases what waits in the queue onto clusters: in turn between users, within the limits."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import replace
from threading import Event, Thread

from ..registry.attempts import next_number, read_attempts
from ..registry.registry import Registry
from ..sites import wire
from ..use.resubmit import resubmit
from ..use.submit import submit_defined
from ..words.errors import (
    AlreadySubmitted,
    HpcbatchError,
    NotFound,
    RegistryBusy,
    RegistryUnwritable,
    SchedulerError,
    StateError,
    SubmissionRejected,
)
from ..words.model import Attempt
from ..words.options import SubmitOptions
from .queue import Entry, Queue
from .settings import Options
from .tracking import Tracking

PATIENCE = 120.0  # seconds that a task may be in no state for its submission
TRACKED_EVERY = 2.0  # seconds
RETRIED_AFTER = 5.0  # seconds
log = logging.getLogger("hpcbatch.server")


class Releaser(Thread):
    """One thread releases and tracks: what is submitted is tracked by the same hand."""

    def __init__(self, registry: Registry, queue: Queue, tracking: Tracking, options: Options):
        super().__init__(name="release", daemon=True)
        self._registry, self._queue, self._tracking = registry, queue, tracking
        self._options = options
        self._wake, self._ends = Event(), False
        self._waits_until: dict[str, float] = {}  # entries that could not be submitted yet
        self._first_tried: dict[str, float] = {}

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

    def _next(self) -> Entry | None:
        """The oldest of the user who has the fewest tasks released."""
        running = self._tracking.running()
        if len(running) >= self._options.max_concurrent_tasks:
            return None
        now = time.monotonic()
        waiting = [
            entry
            for entry in self._queue.waiting()
            if self._waits_until.get(entry.name, now) <= now
        ]
        shares = Counter(self._registry.spec(task_id).owner for task_id in running)
        return min(waiting, key=lambda entry: shares[entry.owner], default=None)

    def _release(self, entry: Entry) -> None:
        try:
            made = self._made(entry)
            if any(attempt.is_in_doubt for attempt in made):
                self._wait(entry)  # whoever tracks it finds out; one given up is made again
                return
            if not made:
                number = next_number(self._registry.layout(entry.task))
                self._queue.update(replace(entry, attempt=number))
                self._submit(entry)
        except (AlreadySubmitted, NotFound):
            pass
        except (RegistryBusy, RegistryUnwritable, SchedulerError, StateError) as error:
            if self._is_final(entry, error):
                self._queue.refuse(entry, str(error))
            else:
                log.warning("%s waits on: %s", entry.task, error)
                self._wait(entry)
            return
        except HpcbatchError as error:
            self._queue.refuse(entry, str(error))
            return
        try:
            self._tracking.released(entry.task)  # first: nobody is to see it as never submitted
        except HpcbatchError as error:
            log.warning("%s: %s", entry.task, error)
        self._queue.finish(entry)

    def _is_final(self, entry: Entry, error: HpcbatchError) -> bool:
        first = self._first_tried.setdefault(entry.name, time.monotonic())
        if isinstance(error, StateError):
            return time.monotonic() - first > PATIENCE
        return isinstance(error, SubmissionRejected)

    def _wait(self, entry: Entry) -> None:
        pause = max(RETRIED_AFTER, self._options.task_queue_interval)
        self._waits_until[entry.name] = time.monotonic() + pause

    def _made(self, entry: Entry) -> list[Attempt]:
        """The attempts of the entry that a server has made which was killed since."""
        if not entry.attempt:
            return []
        attempts = read_attempts(self._registry.layout(entry.task))
        return [a for a in attempts if a.number >= entry.attempt and not a.given_up]

    def _submit(self, entry: Entry) -> None:
        if entry.verb == "submit":
            options = self._throttled(wire.options_from(entry.order["options"]))
            submit_defined(self._registry, self._registry.spec(entry.task), options)
        else:
            asked = wire.resubmission_from(entry.order)
            asked = replace(asked, options=self._throttled(asked.options))
            resubmit(self._registry, entry.task, asked)

    def _throttled(self, options: SubmitOptions) -> SubmitOptions:
        most = self._options.max_concurrent_jobs
        if most is None:
            return options
        return replace(options, throttle=min(options.throttle or most, most))
