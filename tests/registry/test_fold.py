"""The fold: nothing lost, nothing counted twice, from any crash and in any order."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hpcbatch.disk import files
from hpcbatch.disk.index import BEGUN, DONE, ERROR, SUPERSEDED, read_entries, read_said
from hpcbatch.disk.records import frame
from hpcbatch.registry import batch as batch_module
from hpcbatch.registry import fold as fold_module
from hpcbatch.registry import repair as repair_module
from hpcbatch.registry.results import Results
from hpcbatch.registry.snapshot import read_snapshot
from hpcbatch.words import events
from hpcbatch.words.errors import DamagedFile, RegistryUnwritable
from hpcbatch.words.layout import TaskLayout
from tests.core import ROOT, everyone, packed_event, stored_values
from tests.registry.processes import Process, add_attempt, fold_once, make_layout

NJOBS = 6


class Crash(BaseException):
    """Stands for the death of the folding process."""


@contextmanager
def dying_at(call: int, after: bool) -> Iterator[list[str]]:
    """Let the ``call``-th system call that changes the disk be the last one: not made, or half
    made, or made and nothing after it."""
    calls: list[str] = []

    def last(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def made(*arguments: Any, **more: Any) -> Any:
            calls.append(name)
            if len(calls) < call:
                return real(*arguments, **more)
            if len(calls) == call and after:
                real(*arguments, **more)
            elif len(calls) == call and name in ("write", "pwrite"):
                fd, content, *rest = arguments
                real(fd, bytes(content)[: len(content) // 2], *rest)
            raise Crash(name)

        return made

    with pytest.MonkeyPatch.context() as patch:
        for name in ("write", "pwrite", "ftruncate", "replace", "unlink", "fsync"):
            patch.setattr(os, name, last(name, getattr(os, name)))
        yield calls


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)


class World:
    """A task of two attempts, its processes, and what must be true of it."""

    def __init__(self, folder: Path):
        self.layout = make_layout(folder, NJOBS)
        add_attempt(self.layout, 1, range(NJOBS), 3)
        self.second: set[int] = set()
        self.processes: list[Process] = []
        self.told: dict[int, list[bytes]] = {}
        self.failed: dict[int, set[int]] = {}
        self.seen: dict[int, bytes] = {}
        self.results = b""

    def do(self, what: str, number: int, job: int, crash: int | None, after: bool) -> None:
        living = [process for process in self.processes if not process.ended]
        if what == "begin":
            attempt = 2 if self.second and number % 2 else 1
            self.processes.append(Process(self.layout, attempt, number % 3))
        elif what == "second" and not self.second:
            self.second = {0, 2, job}
            add_attempt(self.layout, 2, self.second, 3)
        elif what == "fold":
            self.fold(crash, after)
        elif what == "lose":
            files.unlink_quietly(self.layout.status)
        elif living:
            self.tell(what, living[number % len(living)], job)

    def tell(self, what: str, process: Process, job: int) -> None:
        if process.attempt == 2 and job not in self.second:
            job = 0
        if what == "done":
            value = f"{job} by {process.pid}, {len(self.told.get(job, []))}".encode()
            process.done(job, value)
            self.told.setdefault(job, []).append(value)
        elif what == "error":
            process.error(job)
            self.failed.setdefault(job, set()).add(process.attempt)
        elif what == "start":
            process.start(job)
        elif what == "leave":
            process.leave("killed", 15)
        elif what == "end":
            process.end()

    def fold(self, crash: int | None = None, after: bool = False) -> None:
        if crash is not None:
            try:
                with dying_at(crash, after):
                    fold_once(self.layout)
            except Crash:
                return
        committed = fold_once(self.layout).committed
        content = Path(self.layout.results).read_bytes() if committed else b""
        assert len(content) == committed
        assert content.startswith(self.results), "results.rec only grows"
        self.results = content
        values = stored_values(self.layout, NJOBS)
        assert {job: values.get(job) for job in self.seen} == self.seen, "a first done changed"
        assert values.keys() == self.told.keys(), "lost, or never told"
        assert all(value in self.told[job] for job, value in values.items())
        self.seen = values
        self.check_index()
        for process in self.processes:
            assert os.path.exists(process.path) != process.ended or self.is_taken(process)

    def is_taken(self, ended: Process) -> bool:
        return any(p.path == ended.path and not p.ended for p in self.processes)

    def check_index(self) -> None:
        said = read_said(self.layout.index)
        entries = read_entries(self.layout.index, everyone(NJOBS))
        with Results(self.layout) as results:
            for job in range(NJOBS):
                last = 2 if job in self.second else 1
                failed = last in self.failed.get(job, set()) and job not in self.told
                assert (said[job] == DONE) == (job in self.told)
                assert (said[job] == ERROR) == failed
                if said[job] in (DONE, ERROR):
                    assert results.event(job, entries[job]).attempt == entries[job].attempt
                    assert results.process(entries[job])[0] == "node1"


steps = st.tuples(
    st.sampled_from(
        ["begin", "begin", "done", "done", "done", "error", "error", "start", "leave", "end",
         "second", "lose", "fold", "fold", "fold"]
    ),
    st.integers(0, 5),
    st.integers(0, NJOBS - 1),
    st.none() | st.integers(1, 14),
    st.booleans(),
)  # fmt: skip


@pytest.mark.usefixtures("no_sync")
@pytest.mark.parametrize(
    "batch",
    [
        20_000,
        3,
    ],
)
@settings(
    max_examples=60, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(st.lists(steps, min_size=5, max_size=40))
def test_no_order_and_no_crash_loses_or_repeats_anything(
    batch: int, many: list[tuple[str, int, int, int | None, bool]]
) -> None:
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory(dir=memory) as folder:
        patch.setattr(batch_module, "BATCH_RECORDS", batch)
        world = World(Path(folder))
        for step in many:
            world.do(*step)
        world.fold()
        world.fold()


def test_a_crash_at_every_single_call_is_mended_by_the_next_fold(tmp_path: Path) -> None:
    for after in (False, True):
        for call in range(1, 100):
            world = World(tmp_path)
            first, other = (Process(world.layout, 1, element) for element in (0, 1))
            world.processes += [first, other]
            world.tell("done", first, 0)
            world.tell("error", other, 3)
            world.fold()
            world.tell("done", other, 3)
            world.tell("done", first, 1)
            world.tell("end", first, 0)
            with dying_at(call, after) as calls:
                try:
                    fold_once(world.layout)
                    died = False
                except Crash:
                    died = True
            world.fold()
            assert sorted(world.seen) == [0, 1, 3]
            if not died:
                break
        assert {"write", "pwrite", "ftruncate", "replace", "unlink", "fsync"} <= set(calls)
        assert call > 6


def test_a_crashed_batch_does_not_hide_results_when_others_are_folded_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = make_layout(tmp_path, 10)
    add_attempt(layout, 1, range(10), 2)
    late = Process(layout, 1, 1)
    late.done(5, b"five")
    late.end()
    with monkeypatch.context() as patch:  # dies between the index and the commit

        def crash(*_: object) -> None:
            raise Crash

        patch.setattr(fold_module.Snapshot, "publish", crash)
        with pytest.raises(Crash):
            fold_once(layout)
    early = Process(layout, 1, 0)
    for job in range(5):
        early.done(job, b"x" * 100)
    early.end()
    monkeypatch.setattr(batch_module, "BATCH_RECORDS", len(range(5)) + 1)
    fold_once(layout)
    assert stored_values(layout, 10)[5] == b"five"


def test_the_first_done_wins_also_over_a_later_attempt(tmp_path: Path) -> None:
    layout = make_layout(tmp_path, 3)
    add_attempt(layout, 1, range(3))
    straggler = Process(layout, 1, 0)
    straggler.start(1)
    fold_once(layout)
    add_attempt(layout, 2, [1])
    second = Process(layout, 2, 0)
    second.done(1, b"by the second")
    fold_once(layout)
    straggler.done(1, b"by the first")
    straggler.error(1)
    fold_once(layout)
    assert stored_values(layout, 3) == {1: b"by the second"}


@pytest.mark.parametrize("last", ["leave", "end", "start"])
def test_the_end_of_a_process_whose_job_another_has_done_takes_nothing_back(
    tmp_path: Path, last: str
) -> None:
    layout = make_layout(tmp_path, 2)
    add_attempt(layout, 1, range(2))
    straggler = Process(layout, 1, 0)
    straggler.start(0)
    fold_once(layout)
    add_attempt(layout, 2, [0])
    second = Process(layout, 2, 0)
    second.done(0, b"zero")
    fold_once(layout)
    if last == "leave":
        straggler.leave("killed", 15)
    elif last == "end":
        straggler.end()
    else:
        straggler.start(1)
    fold_once(layout)
    assert stored_values(layout, 2) == {0: b"zero"}


def test_a_stragglers_result_counts(tmp_path: Path) -> None:
    layout = make_layout(tmp_path, 1)
    add_attempt(layout, 1, [0])
    straggler = Process(layout, 1, 0)
    straggler.start(0)
    add_attempt(layout, 2, [0])
    Process(layout, 2, 0).start(0)
    fold_once(layout)
    straggler.done(0, b"late")
    fold_once(layout)
    assert stored_values(layout, 1) == {0: b"late"}


def said_after(layout: TaskLayout) -> int:
    fold_once(layout)
    return read_said(layout.index)[0]


def test_errors_of_earlier_attempts_do_not_count(tmp_path: Path) -> None:
    layout = make_layout(tmp_path, 1)
    add_attempt(layout, 1, [0])
    first = Process(layout, 1, 0)
    first.error(0, "one")
    assert said_after(layout) == ERROR
    add_attempt(layout, 2, [0])
    assert said_after(layout) == SUPERSEDED
    second = Process(layout, 2, 0)
    second.start(0)
    assert said_after(layout) == BEGUN
    first.error(0, "straggling")
    assert said_after(layout) == BEGUN
    second.error(0, "two")
    assert said_after(layout) == ERROR
    with Results(layout) as results:
        assert results.error(0, read_entries(layout.index, everyone(1))[0])[1] == "two"
    second.done(0, b"at last")
    assert said_after(layout) == DONE
    second.error(0, "after done")
    assert said_after(layout) == DONE


def test_an_element_run_again_under_the_same_segment_name_is_folded_anew(tmp_path: Path) -> None:
    layout = make_layout(tmp_path, 4)
    add_attempt(layout, 1, range(4))
    paths = set()
    for job in range(4):
        process = Process(layout, 1, 0)
        paths.add(process.path)
        process.done(job, b"%d" % job)
        if job % 2:
            fold_once(layout)  # before and after its end
        process.end()
        fold_once(layout)
        assert not os.path.exists(process.path)
    assert len(paths) == 1
    assert stored_values(layout, 4) == {job: b"%d" % job for job in range(4)}
    assert len(fold_once(layout).segments) <= 1


def test_a_segment_that_came_again_is_whole_when_the_unlink_had_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = make_layout(tmp_path, 2)
    add_attempt(layout, 1, range(2))
    first = Process(layout, 1, 0)
    first.done(0, b"zero")
    first.end()
    with monkeypatch.context() as patch:
        patch.setattr(fold_module, "unlink_many", lambda paths: None)
        size = fold_once(layout).committed
        assert fold_once(layout).committed == size  # nothing is folded twice
    again = Process(layout, 1, 0)
    assert again.path != first.path
    again.done(1, b"one")
    again.end()
    fold_once(layout)
    assert os.listdir(layout.segments) == []
    assert stored_values(layout, 2) == {0: b"zero", 1: b"one"}


@pytest.mark.parametrize("gone", ["one byte", "half a record", "all but the hello"])
def test_a_torn_tail_waits_and_harms_nothing(tmp_path: Path, gone: str) -> None:
    layout = make_layout(tmp_path, 2)
    add_attempt(layout, 1, range(2))
    process = Process(layout, 1, 0)
    process.done(0, b"zero")
    whole = os.path.getsize(process.path)
    event = packed_event(events.DONE, 1, 0, 1, body=b"one")
    torn = frame(event)
    written = {"one byte": 1, "half a record": len(torn) // 2, "all but the hello": 12}[gone]
    with open(process.path, "ab") as file:
        file.write(torn[:written])
    assert fold_once(layout).segments[os.path.basename(process.path)].cursor == whole
    assert stored_values(layout, 2) == {0: b"zero"}
    with open(process.path, "ab") as file:
        file.write(torn[written:])
    fold_once(layout)
    assert stored_values(layout, 2) == {0: b"zero", 1: b"one"}


def test_zeros_behind_the_last_record_harm_nothing(tmp_path: Path) -> None:
    layout = make_layout(tmp_path, 2)
    add_attempt(layout, 1, range(2))
    process = Process(layout, 1, 0)
    process.done(0, b"zero")
    with open(process.path, "ab") as file:  # a node lost power
        file.write(b"\0" * 4096)
    fold_once(layout)
    assert stored_values(layout, 2) == {0: b"zero"}


def test_a_lost_snapshot_never_destroys_results(tmp_path: Path) -> None:
    """A name that a network file system remembers as absent reads as an absent file."""
    layout = make_layout(tmp_path, 2)
    add_attempt(layout, 1, range(2))
    first = Process(layout, 1, 0)
    first.done(0, b"zero")
    first.end()
    fold_once(layout)
    os.unlink(layout.status)
    second = Process(layout, 1, 0)
    second.done(1, b"one")
    try:
        fold_once(layout)
    except DamagedFile:
        assert b"zero" in Path(layout.results).read_bytes()
    else:
        assert stored_values(layout, 2) == {0: b"zero", 1: b"one"}


def test_a_full_disk_is_told_and_the_next_fold_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = make_layout(tmp_path, 2)
    add_attempt(layout, 1, range(2))
    process = Process(layout, 1, 0)
    process.done(0, b"zero")
    fold_once(layout)
    process.done(1, b"one")
    process.end()
    for name in ("write", "pwrite", "ftruncate", "fsync", "replace"):
        with monkeypatch.context() as patch:

            def full(*_: object, **__: object) -> None:
                raise OSError(28, "No space left on device")

            patch.setattr(os, name, full)
            with pytest.raises(RegistryUnwritable, match="No space left"):
                fold_once(layout)
        assert stored_values(layout, 2)[0] == b"zero"
    fold_once(layout)
    assert stored_values(layout, 2) == {0: b"zero", 1: b"one"}


def test_a_fold_without_news_writes_nothing(tmp_path: Path) -> None:
    layout = make_layout(tmp_path, 3)
    add_attempt(layout, 1, range(3))
    process = Process(layout, 1, 0)
    process.done(0, b"zero")
    fold_once(layout)
    with dying_at(1, False) as calls:
        fold_once(layout)
    assert calls == []


def test_the_damage_of_one_stored_result_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    layout = make_layout(tmp_path, 3)
    add_attempt(layout, 1, range(3))
    process = Process(layout, 1, 0)
    for job in range(3):
        process.done(job, b"value %d" % job)
    fold_once(layout)
    content = bytearray(Path(layout.results).read_bytes())
    content[content.index(b"value 1")] ^= 1
    Path(layout.results).write_bytes(content)
    entries = read_entries(layout.index, everyone(3))
    with Results(layout) as results:
        assert results.value(0, entries[0].place) == b"value 0"
        assert results.value(2, entries[2].place) == b"value 2"
        with pytest.raises(DamagedFile, match=r"results\.rec is damaged: the result of job 1"):
            results.value(1, entries[1].place)


@pytest.mark.parametrize("gone", [3, 10**6])
def test_a_results_file_that_was_cut_is_told_and_left_as_it_is(tmp_path: Path, gone: int) -> None:
    layout = make_layout(tmp_path, 3)
    add_attempt(layout, 1, range(3))
    process = Process(layout, 1, 0)
    for job in range(2):
        process.done(job, b"value %d" % job)
    size = fold_once(layout).committed
    os.truncate(layout.results, max(size - gone, 0))
    process.done(2, b"value 2")
    process.end()
    with pytest.raises(DamagedFile, match=r"results\.rec is damaged"):
        fold_once(layout)
    assert os.path.getsize(layout.results) == max(size - gone, 0)
    assert os.path.exists(process.path)
    entries = read_entries(layout.index, everyone(3))
    with Results(layout) as results:
        if gone == 3:
            assert results.value(0, entries[0].place) == b"value 0"
        with pytest.raises(DamagedFile, match="job 1"):
            results.value(1, entries[1].place)


@pytest.mark.parametrize("stale", ["absent", "short"])
@pytest.mark.parametrize("status", ["known", "absent"])
def test_what_a_network_disk_remembers_of_the_results_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stale: str, status: str
) -> None:
    """Attributes of a name may be a minute old there; only an opened file tells its size."""
    layout = make_layout(tmp_path, 2)
    add_attempt(layout, 1, range(2))
    process = Process(layout, 1, 0)
    process.done(0, b"zero")
    process.end()
    fold_once(layout)
    if status == "absent":
        os.unlink(layout.status)
    again = Process(layout, 1, 0)
    again.done(1, b"one")
    real = os.stat
    empty = real(os.devnull)

    def remembered(path: Any, *more: Any, **named: Any) -> os.stat_result:
        if path != layout.results:
            return real(path, *more, **named)
        if stale == "absent":
            raise FileNotFoundError(2, os.strerror(2), path)
        return empty

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", remembered)
        fold_once(layout)
    assert stored_values(layout, 2) == {0: b"zero", 1: b"one"}


FOLDER = """
import sys
sys.path.insert(0, sys.argv[1])
import filelock
from hpcbatch.registry import tracker
from hpcbatch.registry.registry import Registry
registry = Registry(sys.argv[2])
layout, spec = registry.layout(sys.argv[3]), registry.spec(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
while not (view := tracker.refresh(layout, spec)).said.count(2) == spec.njobs:
    pass
print(view.snapshot.committed)
"""


def test_two_processes_that_fold_at_once_agree(own_registry: Path) -> None:
    from tests.core import Case

    njobs = 300
    case = Case.of(abs, range(njobs))
    case.submit(elements=3)
    command = [sys.executable, "-c", FOLDER, str(ROOT), str(own_registry), case.task.id]
    folders = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        for folder in folders:
            assert folder.stdout is not None
            assert folder.stdin is not None
            assert folder.stdout.readline() == "ready\n"
            folder.stdin.write("go\n")
            folder.stdin.flush()
        for element in range(3):
            process = Process(case.layout, 1, element)
            for job in case.view().attempts[0].plan.jobs_of(element):
                process.done(job, b"%d" % job)
            process.end()
        sizes = [folder.communicate(timeout=60)[0].strip() for folder in folders]
    finally:
        for folder in folders:
            folder.kill()
            folder.communicate()
    assert [folder.returncode for folder in folders] == [0, 0]
    assert case.pickles() == {job: b"%d" % job for job in range(njobs)}
    assert sizes == [str(os.path.getsize(case.layout.results))] * 2
    assert case.segments() == []


MEMORY = """
import sys
sys.path.insert(0, sys.argv[1])
from hpcbatch.registry.fold import fold
from hpcbatch.registry.snapshot import Snapshot
from hpcbatch.words.layout import TaskLayout
peak = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
before = peak()
layout = TaskLayout(sys.argv[2], sys.argv[3])
fold(layout, [], Snapshot())
print(peak() - before)
"""


@pytest.mark.slow
def test_200_000_records_fold_in_bounded_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    njobs = 100_000
    layout = make_layout(tmp_path, njobs)
    for element in range(2):
        process = Process(layout, 1, element)
        for first in range(element, njobs, 2000):
            batch = []
            for job in range(first, min(first + 2000, njobs), 2):
                batch.append(packed_event(events.STARTED, 1, element, job, 1.0))
                batch.append(packed_event(events.DONE, 1, element, job, 1.0, 2.0, body=b"v" * 40))
            process.writer.append(*batch)
        process.end()
    began = time.monotonic()
    root, task_id = os.path.split(layout.folder)
    ended = subprocess.run(
        [sys.executable, "-c", MEMORY, str(ROOT), root, task_id],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    seconds = time.monotonic() - began
    assert ended.returncode == 0, ended.stderr
    with capsys.disabled():
        print(f"\nfold: {2 * njobs / seconds:.0f} records/s, {int(ended.stdout) >> 10} MiB more")
    assert int(ended.stdout) < 100 << 10  # KiB
    assert read_said(layout.index).count(DONE) == njobs
    assert os.listdir(layout.segments) == []


def test_a_rebuild_of_the_index_that_died_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = make_layout(tmp_path, 3)
    add_attempt(layout, 1, range(3))
    process = Process(layout, 1, 0)
    for job in range(3):
        process.done(job, b"%d" % job)
    fold_once(layout)
    os.unlink(layout.index)
    with monkeypatch.context() as patch:
        patch.setattr(repair_module, "write_entries", died)
        with pytest.raises(Crash):
            repair_module.mend_index(layout, 3, read_snapshot(layout.status))
    assert not repair_module.index_is_whole(layout, 3)
    repair_module.mend_index(layout, 3, read_snapshot(layout.status))
    assert stored_values(layout, 3) == {0: b"0", 1: b"1", 2: b"2"}


def died(*_: object) -> None:
    raise Crash
