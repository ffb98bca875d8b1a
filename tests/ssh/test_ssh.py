"""The same task over SSH: a real sshd, another user, a client that has nothing but a key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.sites.ssh.site import Ssh
from tests.local import by_value

from .sshd import Host

pytestmark = [pytest.mark.slow, pytest.mark.sshd]


def flaky(gate: str) -> Any:
    def job(k: int) -> int:
        import os

        print(f"job {k}")
        if k == 3 and not os.path.exists(gate):
            raise ValueError(f"no gate for {k}")
        return k * k

    by_value(job)
    return job


def test_the_whole_way(site: Ssh, host: Host) -> None:
    gate = str(host.home / "gate")
    task = hb.create(flaky(gate), range(10), name="Over SSH", site=site)
    assert task.folder.startswith(str(host.home))
    with pytest.raises(hb.NotSubmitted):
        task.wait(1)
    task.submit("local", chunk=2)
    assert task.wait(60, progress=False).counts["error"] == 1
    with pytest.raises(hb.TaskFailed, match="no gate for 3"):
        task.collect()
    assert [failure.index for failure in task.errors()] == [3]
    assert "job 3" in task.job(3).log()
    assert "ValueError" in task.job(3).traceback
    assert task.collect("skip") == [k * k for k in range(10) if k != 3]
    with pytest.raises(hb.AlreadySubmitted):
        task.submit("local")
    Path(gate).touch()
    assert hb.restore("last", site=site).resubmit() is not None
    assert task.wait(60, progress=False).done == 10
    assert task.collect() == [k * k for k in range(10)]
    assert task.collect(jobs=[7, 2]) == [49, 4]
    assert task.id in [one.id for one in hb.tasks(site=site)]
    task.remove()
    assert task.id not in [one.id for one in hb.tasks(site=site)]
    with pytest.raises(hb.NotFound):
        task.status()
