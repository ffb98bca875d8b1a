"""Over SSH: a real sshd on this machine, behind a way that takes 25 ms in each direction."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from common import HERE, RUNS, Row, below, in_turn, output, seconds, square, use_fake_slurm
from delay import Delayed
from written import write_ended

import hpcbatch as hb

JOBS = 10_000
EACH_WAY = 0.025  # seconds
LARGE = 32 << 20  # bytes


def ssh(work: Path) -> Iterator[Row]:
    sys.path.append(str(HERE.parent))
    from tests.ssh.sshd import Host, Sshd

    if not os.path.exists("/usr/sbin/sshd"):
        yield Row("over SSH", "skipped: there is no sshd (tests/clusters/tools.sh)")
        return
    host = Host(as_self=True)
    sshd = Sshd(host.folder / "sshd", host)
    slurm = use_fake_slurm(work / "ssh-bin")
    host.write_entrance(f"export PATH='{slurm}':$PATH")
    try:
        with Delayed(sshd.port, EACH_WAY) as way:
            _become_client(work, sshd, way.port)
            site: Any = hb.connect("ssh://login")
            try:
                yield from _verbs(site)
                yield from _pool(site)
            finally:
                site.line.close()
    finally:
        sshd.stop()
        host.remove()


def _become_client(work: Path, sshd: Any, port: int) -> None:
    """With ~/.ssh of its own, that leads to the other end of the way."""
    home = work / "ssh-home"
    (home / ".ssh").mkdir(parents=True)
    own = str(sshd.port)
    known = sshd.known_line().replace(own, str(port))
    config = sshd.config("login").replace(own, str(port))
    (home / ".ssh" / "known_hosts").write_text(known)
    (home / ".ssh" / "config").write_text(config)
    os.environ["HOME"] = str(home)
    os.environ["HPCBATCH_SSH_SOCKETS"] = str(work / "s")


def _verbs(site: Any) -> Iterator[Row]:
    line = site.line
    began = seconds(lambda: site.specs())
    yield Row("over SSH, 50 ms there and back: the first command", f"{began:.2f} s")
    made: list[hb.Task] = []

    def commands(verb: Callable[[], object]) -> int:
        before = line.counts["commands"]
        verb()
        return int(line.counts["commands"] - before)

    def submit() -> None:
        task = hb.create(square, range(JOBS), site=site)
        made.append(task.submit("slurm", chunk=100))

    counted = commands(submit)
    yield _most("commands of create and submit, the transfer within the first", counted, 2)
    yield _most("commands of a status", commands(lambda: made[0].status()), 1)
    ids = [made[0].id] * 20
    watched = commands(lambda: site.statuses(ids, tracks=True))
    yield _most("commands of an interval that watches 20 tasks", watched, 1)
    write_ended(made[0].folder, unfinished=0)
    made[0].status()
    collected = commands(lambda: made[0].collect())
    yield _most("commands of a collect, the transfer within it", collected, 1)
    submits, statuses = in_turn(
        partial(seconds, submit), lambda: seconds(lambda: made[-1].status()), runs=RUNS
    )
    yield below(f"submit {JOBS:,} jobs over SSH", statistics.median(submits), 3, "s")
    yield below(f"status of {JOBS:,} jobs over SSH", statistics.median(statuses), 1, "s")
    argv = [sys.executable, "-m", "hpcbatch", "status", made[0].id, "--json"]
    there, here = in_turn(
        lambda: seconds(lambda: output([*argv, "--site", "ssh://login"])),
        lambda: seconds(lambda: output([*argv, "--root", os.path.dirname(made[0].folder)])),
        runs=RUNS,
    )
    over = statistics.median(there) - statistics.median(here)
    what = "hpcbatch status on a kept connection, over the same on the login node"
    yield below(what, over, 1, "s")


def _pool(site: Any) -> Iterator[Row]:
    """Workers on the login node's side, their controller on this one."""
    with hb.Controller("local", 2, site=site) as pool:
        began = seconds(lambda: pool.submit(square, 1).result(60))
        yield Row(
            "pool behind that login node: from its opening to the first result", f"{began:.2f} s"
        )
        mapped = [seconds(lambda: pool.map(square, range(JOBS))) for _ in range(RUNS)]
        each = statistics.median(mapped)
        yield Row(
            f"pool behind that login node: {JOBS:,} calls by map", f"{JOBS / each:,.0f} a second"
        )
        trips = [seconds(lambda: pool.submit(square, 1).result(60)) for _ in range(20)]
        trip = statistics.median(trips) * 1000
        yield Row("pool behind that login node: round trip of one call, p50", f"{trip:.0f} ms")
        large = os.urandom(LARGE)
        took = statistics.median(
            [seconds(lambda: pool.submit(len, large).result(60)) for _ in range(RUNS)]
        )
        what = f"pool behind that login node: an argument of {LARGE >> 20} MiB"
        yield Row(what, f"{(LARGE >> 20) / took:.0f} MiB/s")


def _most(what: str, found: int, most: int) -> Row:
    return Row(what, str(found), "", "", f"<= {most}", found <= most)
