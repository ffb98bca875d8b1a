"""Files of a task cut at every byte, and what the next fold and the next run make of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpcbatch.disk.index import DONE, read_said
from hpcbatch.disk.records import frame
from hpcbatch.registry.attempts import read_attempts
from hpcbatch.registry.fold import fold
from hpcbatch.registry.repair import mend_index
from hpcbatch.registry.snapshot import read_snapshot
from hpcbatch.words import events
from hpcbatch.words.errors import DamagedFile
from hpcbatch.words.layout import TaskLayout
from tests.core import packed_event, stored_values
from tests.registry.processes import Process, add_attempt, make_layout

from .disks import done_records

NJOBS = 4
VALUES = {job: b"value %d" % job for job in range(NJOBS)}


@pytest.fixture(autouse=True)
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@contextmanager
def task_of(attempts: int = 1) -> Iterator[TaskLayout]:
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(dir=memory) as folder:
        layout = make_layout(folder, NJOBS)
        for number in range(1, attempts + 1):
            add_attempt(layout, number, range(NJOBS))
        yield layout


def run(layout: TaskLayout, attempt: int, jobs: range | list[int], end: bool = True) -> Process:
    process = Process(layout, attempt, 0)
    for job in jobs:
        process.done(job, VALUES[job])
    if end:
        process.end()
    return process


def settle(layout: TaskLayout) -> None:
    """As the tracker does it: the index first, then the fold."""
    snapshot = read_snapshot(layout.status)
    mend_index(layout, NJOBS, snapshot)
    fold(layout, read_attempts(layout), snapshot)


def done(layout: TaskLayout) -> set[int]:
    return {job for job, said in enumerate(read_said(layout.index)) if said == DONE}


def finish(layout: TaskLayout) -> None:
    """Run again what is not done; then all is there, once each."""
    run(layout, 2, sorted(set(range(NJOBS)) - done(layout)))
    settle(layout)
    assert stored_values(layout, NJOBS) == VALUES
    assert done_records(layout) == dict.fromkeys(range(NJOBS), 1)
    assert os.listdir(layout.segments) == []


def cut(path: str, size: int) -> None:
    os.truncate(path, size)


def size_of_a_whole_segment() -> int:
    with task_of() as layout:
        return os.path.getsize(run(layout, 1, range(NJOBS)).path)


def test_a_segment_torn_at_any_byte_gives_the_whole_records_before() -> None:
    """The process is dead: its jobs run again in another attempt."""
    before = -1
    for length in range(size_of_a_whole_segment() + 1):
        with task_of(attempts=2) as layout:
            cut(run(layout, 1, range(NJOBS)).path, length)
            settle(layout)
            stored = stored_values(layout, NJOBS)
            assert stored == {job: VALUES[job] for job in range(len(stored))}
            assert done(layout) == stored.keys()
            assert len(stored) in (before, before + 1) or length == 0
            before = len(stored)
            settle(layout)
            assert stored_values(layout, NJOBS) == stored
            run(layout, 2, range(len(stored), NJOBS))
            settle(layout)
            assert stored_values(layout, NJOBS) == VALUES
            assert done_records(layout) == dict.fromkeys(range(NJOBS), 1)
    assert before == NJOBS


def test_a_segment_that_grows_byte_by_byte_is_folded_once() -> None:
    """A slow disk: every fold sees one byte more."""
    with task_of() as layout:
        path = run(layout, 1, range(NJOBS)).path
        whole = Path(path).read_bytes()
        for length in range(len(whole) + 1):
            Path(path).write_bytes(whole[:length])
            settle(layout)
        assert stored_values(layout, NJOBS) == VALUES
        assert done_records(layout) == dict.fromkeys(range(NJOBS), 1)


def test_a_tail_behind_the_commit_torn_at_any_byte_is_cut_and_redone() -> None:
    """A fold that died: any part of its batch may lie in results.rec, and any of the index."""
    tail = b"".join(
        frame(packed_event(events.DONE, 1, 0, job, body=VALUES[job])) for job in range(2, NJOBS)
    )
    for length in range(len(tail) + 1):
        for with_index in (False, True):
            with task_of() as layout:
                process = run(layout, 1, range(2), end=False)
                settle(layout)
                for job in range(2, NJOBS):
                    process.done(job, VALUES[job])
                process.end()
                if with_index:
                    commit_lost(layout)
                committed = read_snapshot(layout.status).committed
                cut(layout.results, committed)
                with open(layout.results, "ab") as file:
                    file.write(tail[:length])
                settle(layout)
                assert stored_values(layout, NJOBS) == VALUES
                assert done_records(layout) == dict.fromkeys(range(NJOBS), 1)
                assert os.listdir(layout.segments) == []


def commit_lost(layout: TaskLayout) -> None:
    """A whole fold, but for the commit and the unlinking."""
    kept = {path: Path(path).read_bytes() for path in (layout.status, segment_of(layout))}
    settle(layout)
    for path, content in kept.items():
        Path(path).write_bytes(content)


def segment_of(layout: TaskLayout) -> str:
    (name,) = os.listdir(layout.segments)
    return f"{layout.segments}/{name}"


@pytest.mark.parametrize("status", ["there", "lost"])
def test_results_torn_at_any_byte_are_told_or_rebuilt_and_never_wrong(status: str) -> None:
    with task_of(attempts=2) as layout:
        run(layout, 1, range(NJOBS))
        settle(layout)
        size = os.path.getsize(layout.results)
        for length in range(size):
            copy = TaskLayout(os.path.dirname(layout.folder), f"copy-{length}")
            shutil.copytree(layout.folder, copy.folder)
            cut(copy.results, length)
            if status == "there":
                with pytest.raises(DamagedFile, match=r"results\.rec is damaged"):
                    settle(copy)
                assert os.path.getsize(copy.results) == length
            else:
                os.unlink(copy.status)
                cut(copy.index, 0)  # else its entries point behind the end of the file
                settle(copy)
                stored = stored_values(copy, NJOBS)
                assert stored == {job: VALUES[job] for job in range(len(stored))}
                finish(copy)
            shutil.rmtree(copy.folder)


def test_an_index_cut_at_any_byte_is_made_anew() -> None:
    with task_of(attempts=2) as layout:
        run(layout, 1, range(NJOBS - 1))
        settle(layout)
        whole = os.path.getsize(layout.index)
        for length in range(whole):
            copy = TaskLayout(os.path.dirname(layout.folder), f"copy-{length}")
            shutil.copytree(layout.folder, copy.folder)
            cut(copy.index, length)
            settle(copy)
            assert stored_values(copy, NJOBS) == {job: VALUES[job] for job in range(NJOBS - 1)}
            finish(copy)
            shutil.rmtree(copy.folder)


@pytest.mark.parametrize("mask", [0xFF, 0x01, 0x80])
def test_an_index_wrong_in_any_byte_is_made_anew(mask: int) -> None:
    with task_of(attempts=2) as layout:
        run(layout, 1, range(NJOBS - 1))
        settle(layout)
        for place in range(os.path.getsize(layout.index)):
            copy = TaskLayout(os.path.dirname(layout.folder), f"copy-{place}")
            shutil.copytree(layout.folder, copy.folder)
            content = bytearray(Path(copy.index).read_bytes())
            content[place] ^= mask
            Path(copy.index).write_bytes(content)
            settle(copy)
            assert stored_values(copy, NJOBS) == {job: VALUES[job] for job in range(NJOBS - 1)}
            finish(copy)
            shutil.rmtree(copy.folder)


@settings(
    max_examples=150, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, NJOBS - 1), max_size=5, unique=True),
            st.integers(0, 700),  # bytes of its segment that reach the disk
            st.booleans(),  # fold after it
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_runs_torn_anywhere_store_each_job_once(
    runs: list[tuple[list[int], int, bool]],
) -> None:
    with task_of(attempts=2) as layout:
        seen: dict[int, bytes] = {}
        for jobs, length, folds in runs:
            process = Process(layout, 1, 0)
            for job in jobs:
                process.done(job, b"%d by %d" % (job, process.pid))
            if length < os.path.getsize(process.path):
                process.writer.close()
                cut(process.path, length)
            else:
                process.end()
            if folds:
                settle(layout)
                stored = stored_values(layout, NJOBS)
                assert seen.items() <= stored.items(), "a stored result is lost or changed"
                seen = stored
        settle(layout)
        assert seen.items() <= stored_values(layout, NJOBS).items()
        assert set(done_records(layout).values()) <= {1}
        assert done_records(layout).keys() == done(layout)
