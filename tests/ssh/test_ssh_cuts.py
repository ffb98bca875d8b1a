"""The connection is cut at random, in the middle of each verb: nothing is submitted twice, nothing
is lost, and no half file is taken for whole."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.sites.ssh import exchange
from hpcbatch.sites.ssh.site import Ssh
from hpcbatch.words.options import SubmitOptions
from hpcbatch.words.server_layout import RemoteLayout
from tests.conftest import IS_LONG
from tests.local import by_value

from .cutter import Cutter
from .sshd import Host, Sshd

pytestmark = [pytest.mark.slow, pytest.mark.sshd]

FIRST = int(os.environ.get("HPCBATCH_CHAOS_SEED", "1"))
SEEDS = range(FIRST, FIRST + (50 if IS_LONG else 1))
JOBS = 4
LARGE = 400_000  # random bytes of an input, and of a result
VERBS = ("upload", "submit", "status", "download")


def telling(log: str) -> Any:
    """A job that says once that it was begun, and returns what it got."""

    def job(k: int, content: bytes) -> tuple[int, bytes]:
        import os

        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(out, f"{k}\n".encode())
        os.close(out)
        return k, content

    return by_value(job)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_connection_that_is_cut(
    seed: int,
    site: Ssh,
    sshd: Sshd,
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(seed)
    if seed % 2:  # and of those that wait for their request
        site.line.close()
        monkeypatch.setenv("HPCBATCH_SSH_SPARES", "1")
    monkeypatch.setattr(exchange, "PAUSES", (0.05, 0.5))
    cutter = Cutter(sshd, monkeypatch)
    inputs = [chance.randbytes(LARGE) for _ in range(JOBS)]
    log = host.home / f"cut-{seed}"
    wanted = {VERBS[seed % 4], chance.choice(VERBS)}

    def perhaps(verb: str, count: float = float("inf")) -> threading.Timer:
        if verb not in wanted:
            return threading.Timer(0, int)
        return cutter.arm(chance.random() * count, chance.random() * 0.6)

    assert site.specs() is not None  # a first command: from now on the site was there
    name = f"cut {seed}"
    timer = perhaps("upload", JOBS * LARGE)
    task = hb.create(telling(str(log)), range(JOBS), inputs, name=name, site=site)
    timer.cancel()
    timer = perhaps("submit")
    attempt = site.submit(task.id, SubmitOptions("local", chunk=2))
    timer.cancel()
    assert attempt is not None
    assert attempt.number == 1
    timer = perhaps("status")
    status = task.wait(60, progress=False)
    timer.cancel()
    assert (status.done, status.attempts) == (JOBS, 1), str(status)
    timer = perhaps("download", JOBS * LARGE)
    assert task.collect() == list(enumerate(inputs))
    timer.cancel()
    begun = Counter(map(int, log.read_text().split()))
    assert begun == Counter(range(JOBS)), "a job has begun twice, or never"
    assert [spec.id for spec in site.specs() if spec.name == name] == [task.id]
    root = Path(site.folder(task.id)).parent
    assert [path for path in root.iterdir() if path.name.endswith(".new")] == []
    left = os.listdir(RemoteLayout(str(root)).uploads)
    assert [name for name in left if name in (task.id, f"{task.id}.json")] == []
