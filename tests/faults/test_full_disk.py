"""A disk that is full, really: every write that does not fit fails, wherever that is."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

import hpcbatch as hb
from hpcbatch.cluster.cluster import Cluster
from hpcbatch.disk.index import ENTRY
from hpcbatch.registry import batch
from hpcbatch.registry.attempts import read_attempts
from hpcbatch.runner.bundle import ensure_runner
from hpcbatch.use import in_doubt
from hpcbatch.words import events
from hpcbatch.words.errors import RegistryUnwritable
from tests.core import DEADLINE, Case, eventually, run_python, stored_values
from tests.registry.processes import Process, add_attempt, fold_once, make_layout

from .disks import PAGE, SmallDisk, done_records

PAGES = 400  # more than any single step here needs


def large(x: int) -> bytes:
    return bytes([x]) * 30_000


def stores_then_waits(x: int, pid_file: str) -> bytes:
    if x:
        Path(f"{pid_file}.new").write_text(str(os.getpid()))
        os.rename(f"{pid_file}.new", pid_file)
        time.sleep(DEADLINE)
    return large(x)


def on_small_disk(disk: SmallDisk, njobs: int) -> Case:
    def job(x: int) -> bytes:
        return bytes([x]) * 30_000

    case = Case.of(job, range(njobs), root=disk.registry)
    ensure_runner(disk.registry)
    return case


def failing(error: RegistryUnwritable) -> str:
    """The file that could not be written."""
    found = re.search(r"cannot write (\S+): No space left on device", str(error))
    assert found, error
    return os.path.basename(found[1])


def told_done(case: Case) -> set[int]:
    return {
        event.job
        for name in case.segments()
        for event in case.events(name)
        if event.kind == events.DONE
    }


def test_an_element_on_a_full_disk_stops_and_what_it_stored_stays(small_disk: SmallDisk) -> None:
    case = on_small_disk(small_disk, 30)
    case.submit()
    small_disk.leave(100)
    ended = subprocess.run(
        case.command(1, 0), capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert ended.returncode == 74
    assert "element 0 stops" in ended.stderr
    assert "No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr
    stored = told_done(case)
    assert 5 < len(stored) < 30
    with pytest.raises(RegistryUnwritable, match=r"results\.rec: No space left"):
        fold_once(case.layout)
    assert told_done(case) == stored
    assert "No space left" in case.task.status().notes[0]
    small_disk.free()
    assert case.values() == {job: large(job) for job in stored}
    missing = set(range(30)) - stored
    case.submit(missing)
    assert case.run(2) == 0
    assert case.values() == {job: large(job) for job in range(30)}
    assert set(done_records(case.layout).values()) == {1}


def waiting_task(root: str, pid_file: Path, chunk: int) -> tuple[hb.Task, int]:
    """Its first job has ended, its second one is the process of that pid."""
    const = {"pid_file": str(pid_file)}
    task = hb.create(stores_then_waits, [0, 1], const=const, root=root)
    task.submit("local", chunk=chunk)
    eventually(pid_file.exists, "the second job to begin")
    eventually(lambda: told_done(Case(task)) == {0}, "the first job to end")
    return task, int(pid_file.read_text())


NOT_RECORDED = r"results\.rec: No space left.* asked to end \d elements?"


@pytest.mark.parametrize(("jobs", "chunk"), [(None, 2), ([1], 1)])
def test_a_cancellation_on_a_full_disk_ends_what_fills_it(
    jobs: list[int] | None, chunk: int, small_disk: SmallDisk, tmp_path: Path
) -> None:
    task, pid = waiting_task(small_disk.registry, tmp_path / "pid", chunk)
    small_disk.leave(0)
    with pytest.raises(RegistryUnwritable, match=NOT_RECORDED):
        task.cancel(jobs)
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the element to end")
    small_disk.free()
    assert task.wait(DEADLINE, progress=False).counts["expired"] == 1
    assert task.collect("skip") == [large(0)]


def test_a_marker_that_still_finds_space_cancels_although_results_find_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, pid = waiting_task(str(tmp_path / "registry"), tmp_path / "pid", 2)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(batch, "write_all", full)
        with pytest.raises(RegistryUnwritable, match=NOT_RECORDED):
            task.cancel()
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the element to end")
    counts = task.wait(DEADLINE, progress=False).counts
    assert (counts["done"], counts["canceled"]) == (1, 1)


def test_a_fold_on_a_full_disk_fails_at_any_file_and_goes_on_later(small_disk: SmallDisk) -> None:
    """One page more each time: results.rec fails, then the index, then status.json."""
    njobs = 3 * PAGE // ENTRY.size
    os.mkdir(small_disk.registry, 0o700)
    layout = make_layout(small_disk.registry, njobs)
    add_attempt(layout, 1, range(njobs))
    process = Process(layout, 1, 0)
    wanted = {job: b"%d " % job * 20 for job in range(njobs)}
    for job in range(0, njobs, 9):
        process.done(job, wanted[job])
    fold_once(layout)
    before = stored_values(layout, njobs)
    for job in range(1, njobs, 2):
        process.done(job, wanted[job])
    process.end()
    failed: list[str] = []
    for _ in range(PAGES):
        small_disk.leave(1)
        try:
            fold_once(layout)
            break
        except RegistryUnwritable as error:
            failed.append(failing(error))
        assert before.items() <= stored_values(layout, njobs).items()
        assert os.path.exists(process.path)
    assert list(dict.fromkeys(failed)) == ["results.rec", "status.json"]
    assert stored_values(layout, njobs) == {
        job: value for job, value in wanted.items() if job % 2 or job % 9 == 0
    }
    assert set(done_records(layout).values()) == {1}
    assert os.listdir(layout.segments) == []
    assert not [name for name in os.listdir(layout.folder) if name.endswith(".tmp")]


def test_an_index_that_finds_no_space_is_told_and_the_fold_redone(small_disk: SmallDisk) -> None:
    njobs = 20 * PAGE // ENTRY.size  # one job a page: the index needs more than the results
    os.mkdir(small_disk.registry, 0o700)
    layout = make_layout(small_disk.registry, njobs)
    add_attempt(layout, 1, range(njobs))
    process = Process(layout, 1, 0)
    jobs = range(0, njobs, PAGE // ENTRY.size)
    for job in jobs:
        process.done(job, b"%d" % job)
    failed = []
    for pages in range(PAGES):
        small_disk.leave(min(pages, 1))
        try:
            fold_once(layout)
            break
        except RegistryUnwritable as error:
            failed.append(failing(error))
    assert list(dict.fromkeys(failed)) == ["results.rec", "index.bin", "status.json"]
    assert stored_values(layout, njobs) == {job: b"%d" % job for job in jobs}
    assert set(done_records(layout).values()) == {1}


def test_a_task_is_created_whole_or_not_at_all(small_disk: SmallDisk) -> None:
    os.mkdir(small_disk.registry, 0o700)
    failed = []
    for pages in range(0, PAGES, 4):
        small_disk.leave(pages)
        try:
            task = hb.create(abs, range(3000), root=small_disk.registry)
            break
        except RegistryUnwritable as error:
            failed.append(failing(error))
        assert os.listdir(small_disk.registry) == []
    assert len(failed) > 5
    assert len(hb.restore(task.id, root=small_disk.registry)) == 3000


def outcome(case: Case) -> str:
    """What became of a submission that failed: taken, given up, or nothing yet."""
    counts = case.task.status().counts
    if counts["defined"] < len(case.task):
        return "taken"
    return "" if any(a.is_in_doubt for a in read_attempts(case.layout)) else "given up"


@pytest.mark.parametrize(
    ("known_limits", "expected"),
    [
        (False, {f"limits-local-{os.uname().nodename}.json", "profile.json", "attempt.json"}),
        (True, {"script.sh", "plan.json", "attempt.json"}),
    ],
)
def test_a_submission_on_a_full_disk_goes_on_later_and_is_made_once(
    known_limits: bool,
    expected: set[str],
    small_disk: SmallDisk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Room for one page more each time, until a submission gets through."""
    config = tmp_path / "config.yaml"
    config.write_text("{clusters: {local: {poll_seconds: [0.1, 0.2], grace: 0.3}}}")
    monkeypatch.setenv("HPCBATCH_CONFIG", str(config))
    monkeypatch.setattr(in_doubt, "GRACE", 0.2)
    case = on_small_disk(small_disk, 4)
    if known_limits:
        Cluster.named("local").limits(str(small_disk.registry))
    failed = []
    for pages in range(PAGES):
        small_disk.leave(pages)
        try:
            case.task.submit("local", chunk=2)
            break
        except RegistryUnwritable as error:
            failed.append(failing(error))
        finally:
            small_disk.free()
        if eventually(lambda: outcome(case), "the submission in doubt to be settled") == "taken":
            break
    assert expected <= set(failed)
    case.task.wait(DEADLINE, progress=False)
    if case.task.status().counts["done"] < 4:  # its elements found no space
        case.task.resubmit()
        case.task.wait(DEADLINE, progress=False)
    assert case.task.collect() == [large(job) for job in range(4)]
    assert done_records(case.layout) == dict.fromkeys(range(4), 1)


@pytest.mark.parametrize("name", ["out.json", "out.jsonl", "out.csv", "out.pkl"])
@pytest.mark.parametrize("njobs", [1, 9])  # the only block does not fit, or a later one
def test_a_file_of_results_that_finds_no_space_is_named(
    name: str, njobs: int, small_disk: SmallDisk
) -> None:
    case = Case.of(lambda x: str(x) * 5000, range(njobs))
    case.submit()
    assert case.run() == 0
    case.view()
    path = small_disk.folder / name
    path.write_text("old")
    small_disk.leave(njobs // 2)
    ended = run_python(["-m", "hpcbatch", "collect", case.task.id, "-o", str(path)])
    assert ended.returncode == 5
    assert f"hpcbatch: {path}: No space left on device" in ended.stderr
    assert path.read_text() == "old"
    assert len(os.listdir(small_disk.folder)) == 2
