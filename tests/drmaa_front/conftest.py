"""The front by its command lines, on a python-drmaa that is none, or on the real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hpcbatch
from hpcbatch.drmaa_front.native import TUNABLES

ROOT = Path(hpcbatch.__file__).parents[1]
FAKE = Path(__file__).with_name("fake")


class Front:
    def __init__(self, folder: Path, *paths: Path):
        self.spool = folder / "drmaa-spool"
        self.state = folder / "fake-state"
        self.state.mkdir()
        self.environment = {
            **os.environ,
            "HPCBATCH_DRMAA_SPOOL": str(self.spool),
            "FAKE_DRMAA": str(self.state),
            "GLIBC_TUNABLES": TUNABLES,
            "PYTHONPATH": os.pathsep.join(map(str, (*paths, ROOT))),
        }

    def run(self, *args: str, script: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hpcbatch.drmaa_front", *args],
            input=script,
            capture_output=True,
            text=True,
            timeout=60,
            env={**self.environment, **env},
            check=False,
        )

    def ask(self, *args: str, script: str = "", **env: str) -> Any:
        done = self.run(*args, script=script, **env)
        assert done.returncode == 0, done.stderr
        return done.stdout if args[0] in ("submit", "cancel") else json.loads(done.stdout)

    def submit(self, name: str, elements: int = 3, *lines: str, body: str = "true") -> str:
        return str(self.ask("submit", script=script(name, elements, *lines, body=body)))

    def listed(self, name: str) -> dict[str, list[list[int]]]:
        found = [one["states"] for one in self.ask("list") if one["name"] == name]
        return dict(found[0]) if found else {}

    def endings(self, name: str) -> dict[str, Any]:
        ((_, told),) = [one.values() for one in self.ask("history", name)]
        return dict(told)

    def folder(self, name: str) -> Path:
        return self.spool / "arrays" / name

    def trouble(self, **functions: str) -> None:
        lines = (f"{name} {what}" for name, what in functions.items())
        (self.state / "trouble").write_text("\n".join(lines))

    def jobs(self, *gone: str, **states: str) -> dict[str, str]:
        """What the fake has, after a change: ``_1`` is element 1."""
        place = self.state / "jobs"
        jobs = json.loads(place.read_text()) if place.exists() else {}
        jobs.update({f"7.{name[1:]}": state for name, state in states.items()})
        jobs = {id: state for id, state in jobs.items() if id not in gone}
        place.write_text(json.dumps(jobs))
        return dict(jobs)

    def template(self) -> dict[str, Any]:
        return dict(json.loads((self.state / "template").read_text()))


def script(name: str, elements: int = 1, *lines: str, body: str = "true") -> str:
    head = "\n".join(("#!/bin/bash", f"#DRMAA --name={name} --elements={elements}", *lines))
    return f"{head}\n{body}\n"


@pytest.fixture
def front(tmp_path: Path) -> Front:
    return Front(tmp_path, FAKE)


@pytest.fixture
def real_front(tmp_path: Path, drmaa_library: None) -> Front:
    return Front(tmp_path)
