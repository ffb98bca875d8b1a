"""Submissions that wait for their turn: a file each, so that a killed server loses none."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

from ..disk.files import make_folder, publish, read, unlink_quietly
from ..words.server_layout import QueueLayout, queued_name, queued_task

TIDIED_EVERY = 60.0  # seconds
KEPT = 86400.0  # seconds that a request is known to have been done
log = logging.getLogger("hpcbatch.server")


@dataclass(frozen=True)
class QueuedSubmission:
    """A submission that was accepted. ``request`` is its word, which its attempt carries too: the
    same one again is done once."""

    task: str
    owner: str
    verb: str  # submit or resubmit
    request: str
    added: float  # seconds since 1970
    order: Mapping[str, Any]  # what is to be submitted, as it travels

    @property
    def after(self) -> set[str]:
        """The tasks that it waits for."""
        options = self.order["options"]
        return {*options.get("after", ()), *options.get("after_ok", ())}

    @property
    def name(self) -> str:
        return queued_name(self.added, self.task)


class SubmissionQueue:
    """The entries in ``folder``; one server has it at a time."""

    def __init__(self, folder: str):
        self._layout = layout = QueueLayout(folder)
        for path in (folder, layout.waiting, layout.done, layout.refused):
            make_folder(path)
        self._lock = Lock()
        self._turns: WeakValueDictionary[str, Lock] = WeakValueDictionary()
        self._troubles: dict[str, str] = {}  # of entries, by name
        self._tidied = float("-inf")
        self._entries: dict[str, QueuedSubmission] = {}
        for name in sorted(os.listdir(self._layout.waiting)):
            if name.endswith(".json") and (entry := self._read(name)) is not None:
                self._entries[entry.name] = entry

    def add(self, entry: QueuedSubmission) -> bool:
        """Whether it is new. Raises RegistryUnwritable: then it was not accepted."""
        with self._lock:
            if self._is_known(entry.request):
                return False
            publish(f"{self._layout.waiting}/{entry.name}", json.dumps(asdict(entry)).encode())
            self._entries[entry.name] = entry
        unlink_quietly(f"{self._layout.refused}/{entry.task}")
        return True

    def is_known(self, request: str) -> bool:
        """Whether it waits, or was done."""
        with self._lock:
            return self._is_known(request)

    def turn(self, task_id: str) -> Lock:
        """Held by whoever releases or withdraws what waits of a task; gone when nobody has it."""
        with self._lock:
            found = self._turns.get(task_id)
            if found is None:
                found = self._turns[task_id] = Lock()
            return found

    def holds(self, entry: QueuedSubmission) -> bool:
        with self._lock:
            return entry.name in self._entries

    def trouble(self, entry: QueuedSubmission, why: str) -> None:
        """It could not be released yet."""
        with self._lock:
            self._troubles[entry.name] = why

    def trouble_of(self, task_id: str) -> str:
        """Why what waits of a task could not be released yet; empty where that is not known."""
        with self._lock:
            names = (name for name, entry in self._entries.items() if entry.task == task_id)
            return next((self._troubles[name] for name in names if name in self._troubles), "")

    def finish(self, entry: QueuedSubmission) -> None:
        """It was released, or never will be: the same request again is nothing new."""
        publish(f"{self._layout.done}/{entry.request}", b"")
        self._drop(entry)
        self._forget_old()

    def refuse(self, entry: QueuedSubmission, why: str) -> None:
        """It never will be."""
        publish(f"{self._layout.refused}/{entry.task}", why.encode("utf-8", "replace"))
        self.finish(entry)

    def withdraw(self, task_id: str) -> int:
        """Drop what waits of a task, in its turn; returns how many that were."""
        found = [entry for entry in self.waiting() if entry.task == task_id]
        for entry in found:
            self.finish(entry)
        return len(found)

    def forget(self, task_id: str) -> None:
        self.withdraw(task_id)
        unlink_quietly(f"{self._layout.refused}/{task_id}")

    def refusal(self, task_id: str) -> str:
        """Why the last submission of a task was refused; empty when it was not."""
        try:
            return read(f"{self._layout.refused}/{task_id}").decode()
        except FileNotFoundError:
            return ""

    def waiting(self) -> list[QueuedSubmission]:
        """Oldest first."""
        with self._lock:
            return sorted(self._entries.values(), key=lambda entry: entry.name)

    def ahead_of(self, task_id: str) -> int | None:
        """Entries before the one of a task; None where none waits."""
        for count, entry in enumerate(self.waiting()):
            if entry.task == task_id:
                return count
        return None

    def _read(self, name: str) -> QueuedSubmission | None:
        """One that cannot be read is put aside, and told as refused: it is to hold up no other."""
        path = f"{self._layout.waiting}/{name}"
        try:
            entry = QueuedSubmission(**json.loads(read(path)))
            if entry.name != name or not isinstance(entry.order["options"], dict):
                raise ValueError("it is no submission of the task in its name")
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            log.warning("%s.damaged was in the queue and cannot be read: %s", path, error)
            again = b"its entry in the queue was damaged: do it again"
            publish(f"{self._layout.refused}/{queued_task(name)}", again)
            os.replace(path, f"{path}.damaged")
            return None
        return entry

    def _is_known(self, request: str) -> bool:
        waits = any(request == entry.request for entry in self._entries.values())
        return waits or os.path.exists(f"{self._layout.done}/{request}")

    def _drop(self, entry: QueuedSubmission) -> None:
        with self._lock:
            self._entries.pop(entry.name, None)
            self._troubles.pop(entry.name, None)
            unlink_quietly(f"{self._layout.waiting}/{entry.name}")

    def _forget_old(self) -> None:
        if time.monotonic() < self._tidied + TIDIED_EVERY:
            return
        self._tidied = time.monotonic()
        for file in os.scandir(self._layout.done):
            if file.stat().st_mtime < time.time() - KEPT:
                unlink_quietly(file.path)
