"""One submission on disk, as the commands see it.

script.sh           what its elements run
submission.json     what was asked; published by the supervisor once it stands
lock                held by the supervisor while it lives; its pid and start time
state.json          queued and running elements, and what they wait for: means something while
                    that lives
endings             see journal.py
bell                a FIFO that wakes the supervisor
cancel-*            requests to it
log                 what the supervisor has to say
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator

from ..disk import files
from ..disk.locks import held_by
from ..words.ranges import Ranges
from . import journal, machine

TYPE_CHECKING = False  # see hpcbatch/__init__.py
if TYPE_CHECKING:
    from typing import Any


class Submission:
    def __init__(self, folder: str):
        self.folder = folder
        self.number = int(os.path.basename(folder))
        self.id = f"{machine.host()}:{machine.boot()}:{self.number}"

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def marks(self) -> dict[str, str]:
        """What the environment of its elements tells; the id alone is not unique to a spool."""
        base = os.path.dirname(os.path.dirname(self.folder))
        return {"HPCBATCH_LOCAL_ID": self.id, "HPCBATCH_LOCAL_SPOOL": base}

    def asked(self) -> dict[str, Any] | None:
        """What was asked; None when the submission never came about."""
        return files.read_json(self.path("submission.json"))

    def supervisor(self) -> int | None:
        """The pid of the supervisor, None when it does not live."""
        return held_by(self.path("lock"))

    def hold(self) -> int:
        """Be the supervisor: lock the file for life. Closing another descriptor of it would drop
        the lock (fcntl(2))."""
        from ..disk.process_tree import look  # which the commands have no use for

        fd = os.open(self.path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        me = look(os.getpid())
        if me is not None:
            files.write_all(fd, f"{me.process.pid} {me.process.start}\n".encode())
        return fd

    def age(self) -> float:
        """Seconds since anything changed."""
        try:
            return time.time() - os.stat(self.folder).st_mtime
        except FileNotFoundError:
            return 0.0

    def listed(self) -> dict[str, Any] | None:
        """What is queued and running, None when nothing is."""
        supervisor, asked = self.supervisor(), self.asked()
        if supervisor is None or asked is None:
            return None
        state = self._state(asked)
        if not state["queued"] and not state["running"]:
            return None
        told = {key: asked[key] for key in ("id", "name", "submitted")}
        spans = Ranges.of(map(int, state["running"])).spans()
        why = f"waits for {state['waits']}" if state["waits"] else ""
        now = {"queued": state["queued"], "running": spans, "why": why}
        return {**told, **now, "supervisor": supervisor}

    def history(self) -> dict[str, Any] | None:
        """The endings so far, None when the submission never came about."""
        alive = self.supervisor() is not None  # asked first: the last ending comes before the death
        asked = self.asked()
        if asked is None:
            return None
        endings = journal.read(self.path("endings"))
        if not alive and len(endings) < asked["elements"]:
            started = self._state(asked)["running"]
            for index in set(range(asked["elements"])).difference(endings):
                endings[index] = journal.ending(index, "lost", started=started.get(str(index)))
        elements = [endings[index] for index in sorted(endings)]
        return {"id": asked["id"], "name": asked["name"], "elements": elements}

    def succeeded(self) -> bool:
        """Whether every element has ended with status 0."""
        told = self.history()
        return told is not None and all(one["ending"] == "ok" for one in told["elements"])

    def request_cancel(self, indices: str | None, wait: float | None) -> None:
        """Leave a request and wake the supervisor. Raises RegistryUnwritable."""
        request = json.dumps({"indices": indices, "wait": wait}).encode()
        files.publish(self.path(f"cancel-{os.urandom(8).hex()}"), request)
        # no reader: the supervisor looks when it comes, or has ended; full: it will wake anyway
        with contextlib.suppress(OSError):
            bell = os.open(self.path("bell"), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(bell, "wb", buffering=0) as file:
                file.write(b"!")

    def requests(self) -> Iterator[tuple[str | None, float | None]]:
        """Requests to cancel, each removed when the caller asks for the next."""
        for name in names_in(self.folder):
            if name.startswith("cancel-") and not name.endswith(".tmp"):
                request = files.read_json(self.path(name))
                if request is not None:
                    yield request["indices"], request["wait"]
                files.unlink_quietly(self.path(name))

    def keep_fresh(self) -> None:
        """Cleaners of temporary folders go by the age of files."""
        above = os.path.dirname(self.folder)
        own = [self.path(name) for name in names_in(self.folder)]
        for path in (*own, self.folder, above, f"{above}/host", f"{above}/slots"):
            with contextlib.suppress(OSError):
                os.utime(path)

    def _state(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The spans that are queued, when the running ones started, and what they wait for."""
        blank = {"queued": [[0, asked["elements"] - 1]], "running": {}, "waits": ""}
        return {**blank, **(files.read_json(self.path("state.json")) or {})}


def remove_folder(path: str) -> None:
    """Remove a folder of files; one that another is removing as well is left to it."""
    for name in names_in(path):
        files.unlink_quietly(f"{path}/{name}")
    with contextlib.suppress(OSError):
        os.rmdir(path)


def names_in(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
