"""The clients of one task, as the test sees them: processes that it starts and kills."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.core import ROOT

from . import client

DEADLINE = 240.0  # seconds for one verb, on a busy machine


class Client:
    """``path`` goes before PATH: it may have a submit command that does not live long."""

    def __init__(
        self, verb: str, task: str, grace: float, log: Path, path: str = "", **options: Any
    ):
        self.verb, self.options, self.log = verb, options, log
        self.was_killed = False
        self.ended: float | None = None
        command = [sys.executable, client.__file__, verb, task, str(grace), json.dumps(options)]
        own = {
            "PYTHONPATH": _joined(str(ROOT), os.environ.get("PYTHONPATH", "")),
            "PATH": _joined(path, os.environ["PATH"]),
        }
        self.began = time.time()
        with log.open("w") as told:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                env={**os.environ, **own},
            )

    @property
    def makes_attempts(self) -> bool:
        return self.verb in ("submit", "resubmit")

    @property
    def revokes(self) -> bool:
        return bool(self.options.get("revoke"))

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        if self.ended is None and self._process.poll() is not None:
            self.ended = time.time()
        return self.ended is None

    def kill(self) -> None:
        self.was_killed = self.is_alive()
        self._process.kill()
        self._process.wait()
        self.is_alive()

    def kill_after(self, seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.kill()

    def wait(self) -> None:
        """Until it ends by itself; it must have ended as a user expects."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(DEADLINE)
        took_too_long = self.is_alive()
        if took_too_long:
            self.kill()
        status = self._process.returncode
        told = f"{self.verb} {self.options}: status {status}: {self.log.read_text()}"
        assert not took_too_long, told
        assert self.was_killed or status in (0, client.REFUSED), told


def _joined(*parts: str) -> str:
    return os.pathsep.join(filter(None, parts))
