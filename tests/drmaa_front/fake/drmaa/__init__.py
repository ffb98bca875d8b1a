"""python-drmaa without a library: jobs are lines of a file, and what goes wrong is a file's name.

``$FAKE_DRMAA`` is a folder with ``jobs`` (id, state) and ``trouble`` (a function, and the name of
the exception that it raises, ``kill``, or ``wait``
until the file is gone).
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from . import errors

STATE = Path(os.environ["FAKE_DRMAA"])


class JobControlAction:
    TERMINATE = "terminate"


def _trouble(function: str) -> None:
    place = STATE / "trouble"
    told = dict(line.split() for line in place.read_text().splitlines()) if place.exists() else {}
    what = told.get(function)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "wait":
        (STATE / "waits").touch()
        while place.exists():
            time.sleep(0.02)
    elif what == "UnicodeDecodeError":
        b"\xff".decode("ascii")
    elif what:
        raise getattr(errors, what)("code 1: it is\nas you said")


def _jobs() -> dict[str, str]:
    place = STATE / "jobs"
    return json.loads(place.read_text()) if place.exists() else {}


def _keep(jobs: dict[str, str]) -> None:
    (STATE / "jobs").write_text(json.dumps(jobs))


class Template:
    attributeNames = ("drmaa_wct_hlimit",) if "FAKE_WALLTIME" in os.environ else ()


class Session:
    drmsInfo = os.environ.get("FAKE_DRMS", "SGE 8.1.9")

    def initialize(self) -> None:
        _trouble("initialize")

    def exit(self) -> None:
        _trouble("exit")
        (STATE / "ended").touch()

    def createJobTemplate(self) -> Template:
        return Template()

    def runBulkJobs(self, template: Template, first: int, last: int, step: int) -> list[str]:
        (STATE / "template").write_text(json.dumps(vars(template)))
        _trouble("before")
        ids = [f"7.{index}" for index in range(first, last + 1, step)]
        _keep({**_jobs(), **dict.fromkeys(ids, "queued_active")})
        _trouble("after")
        return ids

    def jobStatus(self, job: str) -> str:
        _trouble("jobStatus")
        if job not in _jobs():
            raise errors.InvalidJobException(job)
        return _jobs()[job]

    def control(self, job: str, action: str) -> None:
        _trouble("control")
        gone = [id for id in _jobs() if id == job or id.startswith(f"{job}.")]
        if not gone:
            raise errors.InvalidJobException(job)
        _keep({id: state for id, state in _jobs().items() if id not in gone})
        with (STATE / "controlled").open("a") as file:
            file.write(f"{job}\n")
