"""Disks where a lock keeps nobody on another host out: one host folds, the others read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpcbatch.disk import mounts
from hpcbatch.registry import locked_view
from hpcbatch.words.errors import RegistryUnwritable
from tests.core import ROOT, Case
from tests.registry.processes import Process

from .disks import done_records

NJOBS = 200
LOOKING = """
import contextlib, json, os, sys
sys.path.insert(0, sys.argv[1])
from hpcbatch.registry import locked_view, tracker
from hpcbatch.registry.registry import Registry
registry = Registry(sys.argv[2])
layout, spec = registry.layout(sys.argv[3]), registry.spec(sys.argv[3])
here = os.uname()
name = sys.argv[4] or here.nodename
os.uname = lambda: os.uname_result((here.sysname, name, *here[2:]))
locked_view.held = lambda path, seconds: contextlib.nullcontext()
locked_view.locks_reach_other_hosts = lambda path: False
look = lambda: str(tracker.refresh(layout, spec).unfolded or "")
told = {look()}
print("ready", flush=True)
while not os.path.exists(sys.argv[5]):
    told.add(look())
print(json.dumps(sorted(told)))
"""


@pytest.mark.parametrize(
    ("mount", "shared"),
    [
        ("disk /projects nfs4 rw,vers=4.2,local_lock=none 0 0", True),
        ("disk /projects nfs rw,vers=3,local_lock=none 0 0", True),
        ("disk /projects nfs rw,vers=3,nolock,local_lock=all 0 0", False),
        ("disk /projects nfs rw,vers=3,local_lock=flock 0 0", False),
        ("disk /projects lustre rw,flock,lazystatfs 0 0", True),
        ("disk /projects lustre rw,localflock,lazystatfs 0 0", False),
        ("disk /projects lustre rw,lazystatfs 0 0", False),
        ("disk /projects gpfs rw,relatime 0 0", True),
        ("disk /projects beegfs rw,relatime 0 0", False),
        ("disk /projects fuse.sshfs rw,nosuid,allow_other 0 0", False),
        ("disk /projects ext4 rw 0 0", True),
        ("disk /elsewhere fuse.sshfs rw 0 0", True),
    ],
)
def test_the_mount_tells_whether_locks_reach_other_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mount: str, shared: bool
) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"root / overlay rw 0 0\n{mount}\n")
    monkeypatch.setattr(mounts, "MOUNTS", str(table))
    assert mounts.locks_reach_other_hosts("/projects/me/registry") == shared


def looking(case: Case, host: str, stop: Path) -> subprocess.Popen[str]:
    arguments = [str(ROOT), case.registry.root, case.task.id, host, str(stop)]
    process = subprocess.Popen(
        [sys.executable, "-c", LOOKING, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_hosts_without_locks_that_look_at_once_lose_nothing(tmp_path: Path) -> None:
    case = Case.of(abs, range(NJOBS))
    case.submit(elements=2)
    stop = tmp_path / "stop"
    clients = [looking(case, host, stop) for host in ("", "other")]
    try:
        for element in range(2):
            process = Process(case.layout, 1, element)
            for job in range(element, NJOBS, 2):
                process.done(job, b"%d" % job)
            process.end()
        stop.touch()
        here, other = (json.loads(client.communicate(timeout=60)[0]) for client in clients)
    finally:
        for client in clients:
            client.kill()
            client.communicate()
    assert here == [""]
    assert [one for one in other if one], "the other host never had anything to fold"
    assert all("folded on" in one and "HPCBATCH_FOLD_HERE" in one for one in other if one)
    assert case.pickles() == {job: b"%d" % job for job in range(NJOBS)}
    assert done_records(case.layout) == dict.fromkeys(range(NJOBS), 1)


def test_another_host_may_be_told_to_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case.of(abs, [-1])
    case.submit()
    assert case.run() == 0
    here = os.uname()
    other = os.uname_result((here.sysname, "other", *here[2:]))
    monkeypatch.setattr(locked_view, "locks_reach_other_hosts", lambda path: False)
    with monkeypatch.context() as patch:
        patch.setattr(os, "uname", lambda: other)
        view = case.view()
        assert isinstance(view.unfolded, RegistryUnwritable)
        assert f"folded on {here.nodename} alone" in str(view.unfolded)
        patch.setenv("HPCBATCH_FOLD_HERE", "1")
        assert case.states() == ["done"]
    assert case.values() == {0: 1}
