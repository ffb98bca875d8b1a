"""Files that tell a running element that its jobs are no longer wanted."""

from __future__ import annotations

import json
import time

from ..disk.files import read
from ..words.layout import AttemptLayout
from ..words.ranges import Ranges

LOOK_EVERY = 1.0  # seconds between two looks


class Markers:
    """``canceled`` and ``revoked`` of an attempt: for all of its jobs, or for some."""

    def __init__(self, paths: AttemptLayout):
        self._paths = (paths.revoked, paths.canceled)
        self._looked = 0.0
        self._reason = ""
        self._given_up: dict[str, Ranges] = {}  # by the path of the marker

    def look(self, job: int) -> tuple[str, str]:
        """Why the element must leave, and why ``job`` is not wanted; empty where neither holds.

        The disk is asked at most once a second.
        """
        now = time.monotonic()
        if now - self._looked > LOOK_EVERY:
            self._looked = now
            self._read()
        if not self._given_up:
            return self._reason, ""
        given_up = (path for path, jobs in self._given_up.items() if job in jobs)
        return self._reason, _word(next(given_up, ""))

    def _read(self) -> None:
        for path in self._paths:
            try:
                jobs = json.loads(read(path)).get("jobs")
            except (OSError, ValueError):
                continue  # none there, or none to be had now: it is looked for again
            if jobs is None:
                self._reason = self._reason or _word(path)
            else:
                self._given_up[path] = Ranges((a, b) for a, b in jobs)


def _word(path: str) -> str:
    return path.rpartition("/")[2]
