"""The front on a real Grid Engine."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpcbatch.cluster.shell import user_name

from ..conftest import IS_LONG
from ..core import eventually
from .conftest import Front, script
from .test_drmaa_front_element import HEARS

pytestmark = pytest.mark.sge
TRIES = 24 if IS_LONG else 8  # to kill a submission


def own_name(name: str) -> str:
    """A cell is shared with whoever tests there."""
    return f"{name}-{os.urandom(4).hex()}"


def qstat() -> str:
    asked = ["qstat", "-xml", "-u", user_name()]
    return subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True).stdout


def heard(front: Front, tmp_path: Path, name: str, native: str) -> list[str]:
    """Submit one that tells of its signals; returns once it runs."""
    (tmp_path / "hears.py").write_text(HEARS)
    body = (
        f"exec >>{tmp_path}/{name} 2>&1\n"
        f"exec {sys.executable} {tmp_path}/hears.py {tmp_path}/gate-{name}"
    )
    front.submit(name, 1, f"#NATIVE {native}", body=body)
    told = tmp_path / name
    eventually(lambda: told.exists() and "ready" in told.read_text(), f"{name} to run")
    return told.read_text().split()


def test_a_cancel_with_notice_reaches_what_runs(real_front: Front, tmp_path: Path) -> None:
    name = own_name("notice")
    heard(real_front, tmp_path, name, "-notify")
    real_front.ask("cancel", name)
    eventually(lambda: "SIGUSR2" in (tmp_path / name).read_text(), "the notice")
    (tmp_path / f"gate-{name}").touch()
    eventually(lambda: real_front.endings(name)["1"].get("code") == 0, "an orderly end")
    eventually(lambda: not real_front.listed(name))


def test_a_soft_limit_reaches_what_runs(real_front: Front, tmp_path: Path) -> None:
    name = own_name("soft")
    heard(real_front, tmp_path, name, "-notify -l s_rt=2")
    eventually(lambda: "SIGUSR1" in (tmp_path / name).read_text(), "the warning")
    (tmp_path / f"gate-{name}").touch()
    eventually(lambda: not real_front.listed(name))


def test_a_job_that_cannot_start_is_gone(real_front: Front) -> None:
    """Grid Engine keeps no DRMAA job in error: neither Eqw, nor anything to cancel."""
    name = own_name("error")
    real_front.submit(name, 2, "#NATIVE -i /no/such/folder/file")
    eventually(lambda: not real_front.listed(name), "it to be gone")
    real_front.ask("cancel", name)
    assert {one["reason"] for one in real_front.endings(name).values()} == {"canceled"}


def test_held_and_queued_are_told(real_front: Front) -> None:
    name = own_name("held")
    real_front.submit(name, 3, "#NATIVE -h")
    assert real_front.listed(name) == {"user_on_hold": [[1, 3]]}
    real_front.ask("cancel", name, "2")
    eventually(lambda: real_front.listed(name) == {"user_on_hold": [[1, 1], [3, 3]]})
    real_front.ask("cancel", name)
    eventually(lambda: not real_front.listed(name))


@pytest.mark.slow
def test_a_submission_killed_at_any_moment_is_found(real_front: Front) -> None:
    """Whatever the scheduler took can be listed and cancelled, though it never begins."""
    command = [sys.executable, "-m", "hpcbatch.drmaa_front", "submit"]
    names = [own_name("killed") for _ in range(TRIES)]
    began = time.monotonic()
    real_front.submit(own_name("whole"), 1)
    usual = time.monotonic() - began
    for number, name in enumerate(names):
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=real_front.environment,
            text=True,
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(script(name, 2, "#NATIVE -h"))
        process.stdin.close()
        time.sleep(usual * (0.5 + (number + random.random()) / (2 * TRIES)))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    time.sleep(2 * usual)
    taken = [name for name in names if name in qstat()]
    listed = {one["name"]: one["states"] for one in real_front.ask("list")}
    for name in taken:
        real_front.ask("cancel", name)
    assert [listed.get(name) for name in taken] == [{"user_on_hold": [[1, 2]]}] * len(taken)
    eventually(lambda: not any(map(real_front.listed, taken)), "all to end")
    assert not [name for name in names if name in qstat()]
