"""Elements that are asked to leave: by signals, by markers, by their time limit."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hpcbatch.disk.index import DONE
from hpcbatch.registry.attempts import mark_canceled, mark_revoked
from hpcbatch.runner import leaving
from hpcbatch.runner.leaving import Leaving
from hpcbatch.runner.outcome import Outcome
from hpcbatch.runner.segment import Segment
from hpcbatch.words import events
from hpcbatch.words.events import unpack_text
from tests.core import Case, eventually, everyone


def test_a_reason_that_the_disk_did_not_take_comes_before_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case.of(abs, [-1, -2])
    segment = Segment(case.layout, case.submit(), 0)
    segment.start(0)

    def full(*_: bytes) -> None:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(segment._writer, "append", full)
        segment.leave("timeout", signal.SIGTERM, vague=False)
    segment.close()
    told = [event.kind for event in case.events(segment.name)]
    assert told == [events.HELLO, events.STARTED, events.LEAVE, events.END]
    (ending,) = case.view().snapshot.endings[1].values()
    assert ending.reason == "timeout"


def endless(style: str, mark: str) -> Callable[[int], int]:
    """Sleeps are short: where a signal comes just before a system call, Python tells its handler
    only after that."""

    def job(k: int) -> int:
        import subprocess
        import time

        if k == 0:
            return 0
        if style != "cleanup":
            open(f"{mark}/{k}", "w").close()
        if style == "stubborn":
            while True:
                try:
                    time.sleep(0.01)
                except Exception:  # noqa: S110
                    pass
        if style == "child":
            subprocess.run(["sleep", "600"], check=False)
        if style == "cleanup":
            try:
                open(f"{mark}/{k}", "w").close()
                while True:
                    time.sleep(0.05)
            finally:
                open(f"{mark}/cleaned", "w").close()
        while True:
            time.sleep(0.05)

    return job


def swallowing(style: str, mark: str) -> Callable[[int], int]:
    """Catches what interrupts it."""

    def endless_work(k: int) -> None:
        import time

        open(f"{mark}/{k}", "w").close()
        while True:
            time.sleep(0.05)

    def job(k: int) -> int:
        import os
        import sys

        if k == 0:
            return 0
        if style == "returns, deaf":
            os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
        if style == "returns in finally":
            try:
                endless_work(k)
            finally:
                return k  # noqa: B012
        try:
            endless_work(k)
        except BaseException as error:
            if style == "raises":
                raise RuntimeError("wrapped") from error
            if style == "exits":
                sys.exit(3)
        return k

    return job


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("style", "number"),
    [
        *[("plain", number) for number in leaving.SIGNALS],
        *[(style, signal.SIGTERM) for style in ("stubborn", "child", "cleanup")],
    ],
)
def test_a_signal_in_the_middle_of_a_job(style: str, number: int, marks: Path) -> None:
    case = Case.of(endless(style, str(marks)), range(3))
    case.submit()
    with case.element(start_new_session=True) as element:
        eventually((marks / "1").exists)
        os.killpg(element.pid, number)
        assert element.wait(20) == 128 + number
    (name,) = case.segments()
    told = case.events(name)
    kinds = [event.kind for event in told]
    assert kinds.count(events.LEAVE) == 1
    assert kinds[-1] == events.END
    assert [event.job for event in told if event.kind == events.STARTED] == [0, 1]
    reason = "timeout" if number in leaving.WARNINGS else "killed"
    body = unpack_text(next(e for e in told if e.kind == events.LEAVE).body)
    assert body == [reason, str(int(number)), "vague"]
    assert case.states() == ["done", "queued", "queued"]  # until its scheduler has told why
    assert (marks / "cleaned").exists() == (style == "cleanup")
    assert "Traceback" not in case.log()


@pytest.mark.parametrize(
    "style", ["returns", "returns, deaf", "raises", "exits", "returns in finally"]
)
@pytest.mark.parametrize("isolate", [False, True])
def test_what_comes_out_of_an_interrupted_job_is_not_its_outcome(
    style: str, isolate: bool, marks: Path
) -> None:
    case = Case.of(swallowing(style, str(marks)), range(3))
    case.submit(isolate=isolate)
    with case.element() as element:
        eventually((marks / "1").exists)
        for _ in range(3):  # idempotent
            os.kill(element.pid, signal.SIGTERM)
        assert element.wait(20) == 143
    assert case.states() == ["done", "queued", "queued"]  # until its scheduler has told why
    told = "hpcbatch: job 1 was interrupted, and its code caught that"
    assert (told in case.log()) == (style != "returns, deaf")


@pytest.mark.parametrize("marker", ["revoked", "canceled"])
def test_a_marker_stops_an_element_between_jobs_within_about_a_second(
    marker: str, marks: Path
) -> None:
    def job(k: int) -> int:
        import time

        open(f"{marks}/{k}", "w").close()
        time.sleep(0.1)
        return k

    case = Case.of(job, range(200))
    case.submit()
    with case.element() as element:
        eventually((marks / "2").exists)
        (attempt,) = case.view().attempts
        if marker == "canceled":
            mark_canceled(case.layout, attempt, 0.0)
        else:
            mark_revoked(case.layout, attempt, 0.0, everyone(200))
        began = time.monotonic()
        assert element.wait(20) == 1
        assert time.monotonic() - began < 8
    begun = len(list(marks.iterdir()))
    assert begun < 100
    (name,) = case.segments()
    assert [unpack_text(e.body) for e in case.events(name) if e.kind == events.LEAVE] == [
        [marker, "0", ""]
    ]
    assert case.view().said.count(DONE) == begun


def test_an_element_of_a_revoked_attempt_begins_nothing() -> None:
    case = Case.of(abs, range(3))
    case.submit()
    mark_revoked(case.layout, case.view().attempts[0], 0.0, everyone(3))
    assert case.run() == 1
    assert case.view().said == bytes(3)


def test_a_job_that_does_not_fit_into_the_time_left_is_not_begun() -> None:
    case = Case.of(abs, range(3))
    case.submit(job_walltime=3600, element_walltime=3600)
    assert case.run() == 1
    view = case.view()
    assert case.states() == ["done", "expired", "expired"]
    ending = view.ending(view.attempts[0], 0)
    assert ending is not None
    assert ending.reason == "timeout"


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Case, Segment]]:
    """A segment written by the test itself, with its handlers put back afterwards."""
    kept = {number: signal.getsignal(number) for number in leaving.SIGNALS}
    monkeypatch.setattr(os, "register_at_fork", lambda **_: None)
    case = Case.of(abs, range(3))
    case.submit()
    yield case, Segment(case.layout, 1, 0)
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_a_signal_while_a_result_is_kept_loses_nothing(
    in_process: tuple[Case, Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    case, segment = in_process
    make = segment._event

    def interrupted(kind: int, *arguments: Any, **fields: Any) -> bytes:
        event = make(kind, *arguments, **fields)
        if kind == events.DONE:
            signal.raise_signal(signal.SIGTERM)
        return event

    with Leaving(segment) as leaving:
        began = segment.start(0)
        monkeypatch.setattr(segment, "_event", interrupted)
        segment.finish(0, began, Outcome(events.DONE, b"N."))
    assert leaving.exit_status == 143
    segment.close()
    kinds = [event.kind for event in case.events(segment.name)]
    assert sorted(kinds) == [
        events.HELLO, events.STARTED, events.DONE, events.LEAVE, events.END,
    ]  # fmt: skip


def test_a_signal_in_the_middle_of_a_write_waits_for_its_end(
    in_process: tuple[Case, Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    case, segment = in_process
    append = segment._writer.append

    def interrupted(*payloads: bytes) -> None:
        monkeypatch.setattr(segment._writer, "append", append)
        signal.raise_signal(signal.SIGTERM)
        append(*payloads)

    with Leaving(segment):
        monkeypatch.setattr(segment._writer, "append", interrupted)
        segment.start(0)
    segment.close()
    kinds = [event.kind for event in case.events(segment.name)]
    assert kinds == [events.HELLO, events.STARTED, events.LEAVE, events.END]


def test_a_full_disk_does_not_keep_a_job_from_leaving(
    in_process: tuple[Case, Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, segment = in_process

    def full(*_: bytes) -> None:
        raise OSError(28, "No space left on device")

    with Leaving(segment) as watch:
        segment.start(0)
        watch.in_job = True
        monkeypatch.setattr(segment._writer, "append", full)
        with pytest.raises(leaving.Leave):
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_ends_an_element_and_keeps_what_was_written(tmp_path: Path) -> None:
    import shutil
    import subprocess

    case = Case.of(lambda k: bytes(50_000), range(40))
    case.submit()
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k,mode=700", "tmpfs", str(small)],
        capture_output=True, check=False,
    ).returncode:  # fmt: skip
        pytest.skip("this host lets nobody mount")
    try:
        shutil.rmtree(case.layout.segments)
        os.symlink(small, case.layout.segments)
        assert case.run() == 74
        assert "No space left" in case.log()
        done = case.view().count_states()["done"]
        assert 5 <= done <= 12
        assert case.values() == {k: bytes(50_000) for k in range(done)}
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_registry_that_cannot_be_written_is_told_in_the_log() -> None:
    case = Case.of(abs, range(2))
    case.submit()
    os.rename(case.layout.segments, f"{case.layout.segments}.away")
    Path(case.layout.segments).write_text("no folder")
    assert case.run() == 74
    assert "hpcbatch: element 0 stops" in case.log()
    assert "Traceback" not in case.log()


def test_a_job_that_closes_our_files_gets_nothing_of_ours_into_its_own(tmp_path: Path) -> None:
    def job(k: int) -> int:
        import os

        if k == 1:
            os.closerange(3, 64)
            for n in range(20):
                os.open(f"{tmp_path}/own-{n}", os.O_CREAT | os.O_WRONLY)
        return k

    case = Case.of(job, range(3))
    case.submit()
    assert case.run() == 74
    assert "a job closed files that were not its own" in case.log()
    assert [path.stat().st_size for path in tmp_path.glob("own-*")] == [0] * 20
    assert case.view().said[0] == DONE
    assert case.view().said.count(DONE) == 1
