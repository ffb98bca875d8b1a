"""Processes told apart, trees, and locks, without a supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpcbatch.disk import process_tree
from hpcbatch.disk.process_tree import Process, descendants, look, send
from hpcbatch.supervisor import journal, process
from hpcbatch.supervisor.slots import Slots


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(["sleep", "1000"])
    yield child
    child.kill()
    child.wait()


@pytest.mark.parametrize("with_pidfd", [True, False])
def test_a_later_process_of_the_same_pid_is_left_alone(
    sleeper: subprocess.Popen[bytes], with_pidfd: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_pidfd:
        monkeypatch.setattr(process_tree, "_pidfd", lambda pid: None)
    seen = look(sleeper.pid)
    assert seen is not None
    me = seen.process
    assert seen.parent == os.getpid()
    process_tree.kill([me._replace(start=me.start - 1), Process(2**22 - 1, 5)])
    left = look(sleeper.pid)
    assert left is not None
    assert left.process == me
    send(me, signal.SIGTERM)
    assert sleeper.wait(10) == -signal.SIGTERM
    assert look(sleeper.pid) is None
    assert not send(me, signal.SIGTERM)


def test_a_command_with_any_name_is_read_right(tmp_path: Path) -> None:
    odd = tmp_path / ") R 1 2 ("
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([str(odd), "1000"]) as child:
        try:
            seen = look(child.pid)
            assert seen is not None
            assert seen.parent == os.getpid()
        finally:
            child.kill()


@pytest.mark.parametrize("listing", [True, False])
def test_descendants(listing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_tree, "_LISTS_CHILDREN", listing)
    others = {one.pid for one in descendants(os.getpid())}  # of fixtures that last
    with subprocess.Popen(
        ["bash", "-c", "sleep 1000 & setsid bash -c 'sleep 1000; true' & echo; wait"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            found: list[Process] = []
            for _ in range(1000):
                found = descendants(child.pid)
                if len(found) == 3:
                    break
                os.sched_yield()
            assert len(found) == 3
            assert child.pid not in {one.pid for one in found}
            assert child.pid in {one.pid for one in descendants(os.getpid())}
            left = descendants(os.getpid(), without={child.pid})
            assert {one.pid for one in left} <= others
        finally:
            process_tree.kill(descendants(child.pid))
            child.kill()


@pytest.mark.parametrize("buried", [True, False])
def test_what_ends_while_it_is_measured_uses_nothing(
    sleeper: subprocess.Popen[bytes], buried: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, resident = 1 << 40, process._resident

    def ends_after(pid: int) -> int:
        size = resident(pid)
        if pid == sleeper.pid and size:
            size = large
            sleeper.kill()
            os.waitid(os.P_PID, pid, os.WEXITED | (0 if buried else os.WNOWAIT))
        return size

    monkeypatch.setattr(process, "_resident", ends_after)
    seen = [look(pid) for pid in (os.getpid(), sleeper.pid)]
    assert 0 < process.memory([each.process for each in seen if each], 0) < large


@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError])
def test_shares_that_are_hidden_count_whole(
    sleeper: subprocess.Popen[bytes], error: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = process.read

    def hidden(path: str) -> bytes:
        if path.endswith("smaps_rollup"):
            raise error(path)
        return read(path)

    monkeypatch.setattr(process, "read", hidden)
    seen = [look(pid) for pid in (os.getpid(), sleeper.pid)]
    tree = [each.process for each in seen if each]
    apart = [process.memory([each], 0) for each in tree]
    assert process.memory(tree, 0) == pytest.approx(sum(apart), rel=0.1)


def test_slots_are_of_one_process_and_die_with_it(tmp_path: Path) -> None:
    path = str(tmp_path / "slots")
    ours = Slots(path, 3)
    taken = ours.take(2)
    assert taken == [0, 1]
    asks, tell = os.pipe()
    answers, answer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            other = Slots(path, 3)
            first = other.take(2)  # gathers one, and keeps its ticket
            os.write(answer, b"n" if first is None else b"y")
            os.read(asks, 1)
            os.write(answer, b"n" if other.take(2) is None else b"y")
            os.read(asks, 1)
        finally:
            os._exit(0)
    assert os.read(answers, 1) == b"n"
    assert ours.take(1) is None
    ours.give_way()
    ours.release(taken)
    assert ours.take(1) is None  # not past the one who waits
    os.write(tell, b"!")
    assert os.read(answers, 1) == b"y"
    assert ours.take(1) == [1]
    assert ours.take(1) is None
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert ours.take(2) == [0, 2]


def test_a_journal_that_cannot_write_keeps_what_it_has(tmp_path: Path) -> None:
    import resource

    path = str(tmp_path / "endings")
    kept = journal.Journal(path)
    kept.add(journal.ending(0, "ok"))
    kept.flush()
    before = os.path.getsize(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept.add(journal.ending(1, "ok"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (before + 10, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            kept.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.path.getsize(path) == before
    kept.flush()
    assert sorted(journal.read(path)) == [0, 1]
    with open(path, "a") as file:
        file.write('{"index": 2')
    assert sorted(journal.read(path)) == [0, 1]
