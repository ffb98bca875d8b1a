"""The state of every job, from records, listings and time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from filelock import FileLock

from hpcbatch.disk.boot_id import boot_id
from hpcbatch.registry import locked_view, observation, sightings, tracker
from hpcbatch.registry.attempts import mark_canceled, write_attempt
from hpcbatch.registry.view import View
from hpcbatch.words import events
from hpcbatch.words.assignment import Assignment
from hpcbatch.words.errors import DamagedFile, RegistryBusy
from hpcbatch.words.model import Ending, Listing, Sighting
from tests.core import Case, everyone, make_attempt, state_names
from tests.registry.processes import Process

GRACE = 60.0


class Clock:
    """The client's time, moved by the test."""

    def __init__(self) -> None:
        self.now = 2000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sightings.time, "time", clock.time)
    return clock


def sighting(element: int, running: bool = True, array: str = "A1") -> Sighting:
    return Sighting(array, element, "test-1", running, "R" if running else "PD")


class Cluster:
    """What a cluster lists, asked at the clock's time; expires as the service does."""

    def __init__(self, case: Case, clock: Clock):
        self.case, self.clock = case, clock

    def look(self, *alive: Sighting, after: float = 10.0, attempt: int = 1) -> View:
        self.clock.now += after
        listings = {attempt: Listing(self.clock.now, list(alive))}
        layout, spec = self.case.layout, self.case.task.spec
        view, missing = observation.observe(
            tracker.refresh(layout, spec), listings, {attempt: GRACE}
        )
        if missing:
            endings = {
                number: {e: Ending("lost", time=self.clock.now) for e in elements}
                for number, elements in missing.items()
            }
            alive = view.alive
            view = observation.end_elements(layout, spec, endings, self.clock.now)
            view.alive = alive
        return view


def case_of(njobs: int = 4, elements: int = 2) -> Case:
    case = Case.of(abs, range(njobs))
    case.submit(elements=elements)
    return case


def test_before_a_submission_every_job_is_defined() -> None:
    case = Case.of(abs, range(3))
    assert case.states() == ["defined"] * 3
    assert case.view().count_states()["defined"] == 3


def test_records_alone_tell_running_done_and_error() -> None:
    case = case_of(6, 2)
    process = Process(case.layout, 1, 0)
    assert case.states()[:3] == ["queued"] * 3
    assert case.states()[3:] == ["submitted"] * 3
    process.start(0)
    assert case.states() == ["running", "queued", "queued", *["submitted"] * 3]
    process.done(0, b"")
    process.error(1)
    process.start(2)
    assert case.states() == ["done", "error", "running", *["submitted"] * 3]
    assert len(case.view().jobs_in(("done", "running"))) == 2


def test_a_listing_tells_queued(clock: Clock) -> None:
    case = case_of()
    view = Cluster(case, clock).look(sighting(0, False), sighting(1))
    assert state_names(view) == ["queued"] * 4


def test_two_misses_and_the_grace_expire_an_element(clock: Clock) -> None:
    case = case_of()
    cluster = Cluster(case, clock)
    assert state_names(cluster.look(sighting(0), sighting(1))) == ["queued"] * 4
    for after in (1, 58, 1):
        view = cluster.look(sighting(0), after=after)
        assert state_names(view) == ["queued", "queued", "submitted", "submitted"]
    view = cluster.look(sighting(0), after=1)
    assert state_names(view) == ["queued", "queued", "expired", "expired"]
    attempt, element = view.owner(3) or (None, None)
    assert attempt is not None
    assert element == 1
    ending = view.ending(attempt, 1)
    assert ending is not None
    assert ending.reason == "lost"


def test_one_miss_is_never_enough_however_long_ago(clock: Clock) -> None:
    cluster = Cluster(case_of(), clock)
    view = cluster.look(after=100_000)
    assert state_names(view) == ["submitted"] * 4
    view = cluster.look(after=61)
    assert state_names(view) == ["expired"] * 4


def test_the_same_listing_is_counted_once(clock: Clock) -> None:
    case = case_of()
    cluster = Cluster(case, clock)
    cluster.look()
    for _ in range(5):
        cluster.look(after=0)
    assert case.view().snapshot.absent[1][0][1] == 1


def test_an_element_that_shows_up_again_starts_anew(clock: Clock) -> None:
    cluster = Cluster(case_of(), clock)
    cluster.look()
    cluster.look(sighting(0), sighting(1), after=30)
    cluster.look(after=40)
    assert state_names(cluster.look(after=59)) == ["submitted"] * 4
    assert state_names(cluster.look(after=1)) == ["expired"] * 4


def test_a_listing_from_before_the_submission_says_nothing(clock: Clock) -> None:
    case = case_of()
    clock.now = 1100.0  # the attempt was submitted at 1000
    for when in (500.0, 700.0, 900.0):
        cluster_listing = {1: Listing(when, [])}
        view, _ = observation.observe(case.view(), cluster_listing, {1: GRACE})
    assert state_names(view) == ["submitted"] * 4
    assert view.snapshot.absent == {}


def test_a_failed_poll_changes_nothing(clock: Clock) -> None:
    case = case_of()
    cluster = Cluster(case, clock)
    cluster.look()
    before = case.view().snapshot
    for _ in range(10):
        clock.now += 1000
        view, missing = observation.observe(case.view(), {}, {})
        assert missing == {}
        assert state_names(view) == ["submitted"] * 4
    assert case.view().snapshot == before


def test_elements_whose_jobs_have_results_are_not_missed(clock: Clock) -> None:
    case = case_of()
    process = Process(case.layout, 1, 0)
    process.done(0, b"")
    process.error(1)
    process.end()
    cluster = Cluster(case, clock)
    for _ in range(4):
        view = cluster.look(sighting(1), after=50)
    assert state_names(view) == ["done", "error", "queued", "queued"]
    assert view.alive_elements(view.attempts[0]) == [1]


def test_a_result_that_comes_after_the_expiry_counts(clock: Clock) -> None:
    case = case_of(2, 2)
    process = Process(case.layout, 1, 0)
    process.start(0)
    cluster = Cluster(case, clock)
    for _ in range(3):
        view = cluster.look(after=50)
    assert state_names(view) == ["expired", "expired"]
    process.done(0, b"late")
    assert case.states() == ["done", "expired"]
    assert case.pickles() == {0: b"late"}


def test_a_process_believed_lost_that_writes_again_is_running(clock: Clock) -> None:
    case = case_of(2, 1)
    process = Process(case.layout, 1, 0)
    process.start(0)
    cluster = Cluster(case, clock)
    for _ in range(3):
        view = cluster.look(after=50)
    assert state_names(view) == ["expired", "expired"]
    process.done(0, b"")
    process.start(1)
    assert case.states() == ["done", "running"]


def test_a_process_on_this_host_that_holds_its_segment_is_never_missed(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = case_of(2, 1)
    process = Process(case.layout, 1, 0)
    process.start(0)
    host, boot = os.uname().nodename, boot_id()
    hello = events.pack_text(host, boot, "7", "3.11.7", "4242")
    monkeypatch.setattr(Process, "hello", lambda self: hello)
    again = Process(case.layout, 1, 0)
    again.start(0)
    monkeypatch.setattr(sightings, "held_by", lambda path: 4242 if path == again.path else None)
    cluster = Cluster(case, clock)
    for _ in range(4):
        view = cluster.look(after=50)
    assert state_names(view) == ["running", "queued"]


def test_a_rerun_that_lives_is_seen_beside_a_first_run_that_died_here(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = case_of(2, 1)
    host, boot = os.uname().nodename, boot_id()
    pid = ["41"]
    hello = lambda self: events.pack_text(host, boot, "7", "3.11.7", pid[0])  # noqa: E731
    monkeypatch.setattr(Process, "hello", hello)
    first = Process(case.layout, 1, 0)
    first.start(0)
    case.view()
    pid[0] = "42"
    again = Process(case.layout, 1, 0)
    again.start(0)
    monkeypatch.setattr(sightings, "held_by", lambda path: 42 if path == again.path else None)
    cluster = Cluster(case, clock)
    for _ in range(4):
        view = cluster.look(after=50)
    assert state_names(view) == ["running", "queued"]


def test_a_leaving_process_expires_its_jobs_with_the_reason() -> None:
    case = case_of(3, 1)
    process = Process(case.layout, 1, 0)
    process.done(0, b"")
    process.start(1)
    process.leave("timeout")
    assert state_names(case.view()) == ["done", "running", "queued"]  # it may be at a checkpoint
    process.end()
    view = case.view()
    assert state_names(view) == ["done", "expired", "expired"]
    ending = view.ending(view.attempts[0], 0)
    assert ending is not None
    assert (ending.reason, ending.host) == ("timeout", "node1")


def test_an_element_that_left_and_was_requeued_is_queued_again(clock: Clock) -> None:
    case = case_of(2, 1)
    process = Process(case.layout, 1, 0)
    process.start(0)
    process.leave("killed", 15, vague=True)
    process.end()
    assert case.states() == ["queued", "queued"]  # nobody knows yet whether it was requeued
    view = Cluster(case, clock).look(sighting(0, False))
    assert state_names(view) == ["queued", "queued"]
    again = Process(case.layout, 1, 0)
    again.start(0)
    assert case.states() == ["running", "queued"]


def test_a_cancelled_attempt_keeps_its_results() -> None:
    case = case_of(4, 2)
    process = Process(case.layout, 1, 0)
    process.done(0, b"")
    process.start(1)
    mark_canceled(case.layout, case.view().attempts[0], 2000.0)
    assert case.states() == ["done", "canceled", "canceled", "canceled"]
    process.done(1, b"on its way")
    assert case.states() == ["done", "done", "canceled", "canceled"]


def test_a_straggler_of_the_first_attempt_while_the_second_runs() -> None:
    case = case_of(3, 1)
    straggler = Process(case.layout, 1, 0)
    straggler.done(0, b"0")
    straggler.start(1)
    case.view()
    case.submit([1, 2])
    assert case.states() == ["done", "submitted", "submitted"]
    second = Process(case.layout, 2, 0)
    second.start(1)
    assert case.states() == ["done", "running", "queued"]
    straggler.done(1, b"first")
    assert case.states() == ["done", "done", "queued"]
    second.done(1, b"second")
    second.start(2)
    straggler.error(2)
    assert case.states() == ["done", "done", "running"]
    second.done(2, b"2")
    straggler.end()
    second.end()
    assert case.pickles() == {0: b"0", 1: b"first", 2: b"2"}


def test_a_rejected_attempt_changes_no_state() -> None:
    case = case_of(2, 1)
    process = Process(case.layout, 1, 0)
    process.error(0)
    process.end()
    assert case.states() == ["error", "submitted"]
    refused = make_attempt(2, everyone(2), submitted=False, given_up="no such queue")
    write_attempt(case.layout, refused, Assignment())
    assert case.states() == ["error", "submitted"]
    view = case.view()
    owner = view.owner(0)
    assert owner is not None
    assert owner[0].number == 1


def test_a_nodes_clock_ten_minutes_off_changes_nothing(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    for skew in (-600.0, 0.0, 600.0):
        case = case_of(4, 2)
        clock.now = 2000.0
        cluster = Cluster(case, clock)
        process = Process(case.layout, 1, 0)
        process.tell(events.STARTED, 0, started=clock.now + skew)
        states = [state_names(cluster.look(sighting(0), sighting(1)))]
        process.tell(events.DONE, 0, started=clock.now + skew, ended=clock.now + skew, body=b"")
        for _ in range(3):
            states.append(state_names(cluster.look(sighting(0), after=35)))
        told.append(states)
    assert told[0] == told[1] == told[2]
    assert told[1][-1] == ["done", "queued", "expired", "expired"]


def test_sightings_are_matched_by_array_and_index(clock: Clock) -> None:
    case = case_of(4, 2)
    cluster = Cluster(case, clock)
    strangers = [
        sighting(0, array="A9"),
        sighting(2),
        sighting(-1),
        Sighting("A1", 1, "test-1", True, "R"),
    ]
    assert list(cluster.look(*strangers).alive[1]) == [1]


def test_the_lock_of_another_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of()
    monkeypatch.setattr(locked_view, "FOLDS_WITHIN", 0.05)
    with FileLock(case.layout.tracker_lock), pytest.raises(RegistryBusy, match="try again"):
        case.view()
    assert case.states() == ["submitted"] * 4


def test_a_hundred_thousand_jobs_are_counted_quickly_and_rightly() -> None:
    njobs = 100_000
    case = Case.of(abs, range(njobs))
    case.submit(elements=1000)
    process = Process(case.layout, 1, 7)
    process.done(700, b"")
    began = time.monotonic()
    counts = case.view().count_states()
    assert time.monotonic() - began < 20
    assert counts == {
        "defined": 0, "submitted": njobs - 100, "queued": 99, "running": 0, "done": 1, "error": 0,
        "expired": 0, "canceled": 0,
    }  # fmt: skip


@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_a_lost_index_is_made_anew_from_the_results(harm: str) -> None:
    case = Case.of(lambda x: x * x, range(5))
    case.submit()
    assert case.run() == 0
    assert case.states() == ["done"] * 5
    if harm == "gone":
        os.unlink(case.layout.index)
    else:
        os.truncate(case.layout.index, 100)
    assert case.states() == ["done"] * 5
    assert case.values() == {k: k * k for k in range(5)}


@pytest.mark.parametrize("harm", ["zeros", "noise"])
def test_an_index_that_was_overwritten_is_made_anew_and_nothing_runs_again(harm: str) -> None:
    case = Case.of(lambda x: x * x, range(5))
    case.submit()
    assert case.run() == 0
    assert case.states() == ["done"] * 5
    size = os.path.getsize(case.layout.index)
    content = bytes(size) if harm == "zeros" else bytes(k * 7 % 251 for k in range(size))
    Path(case.layout.index).write_bytes(content)
    case.task.resubmit()  # nothing is left to run
    assert case.states() == ["done"] * 5
    assert case.values() == {k: k * k for k in range(5)}
    assert case.task.status().attempts == 1


@pytest.mark.parametrize("name", ["attempts/0001/attempt.json", "attempts/0001/plan.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff" * 50])
def test_results_are_read_although_another_file_is_damaged(name: str, content: bytes) -> None:
    case = Case.of(lambda x: x * x, range(5))
    case.submit()
    assert case.run() == 0
    assert case.states() == ["done"] * 5
    Path(case.layout.folder, name).write_bytes(content)
    status = case.task.status()
    assert status.done == 5
    assert name.rpartition("/")[2] in status.notes[0]
    with pytest.warns(RuntimeWarning, match="newer records are not counted.*damaged"):
        assert case.task.collect() == [0, 1, 4, 9, 16]
    for change in (case.task.resubmit, case.task.cancel, case.task.remove):
        with pytest.raises(DamagedFile, match="damaged"):
            change()


def test_of_results_that_were_cut_the_rest_is_still_read() -> None:
    case = Case.of(lambda x: x * x, range(5))
    case.submit()
    assert case.run() == 0
    assert case.states() == ["done"] * 5
    os.truncate(case.layout.results, os.path.getsize(case.layout.results) - 10)
    status = case.task.status()
    assert status.done == 5
    assert "results.rec is damaged" in status.notes[0]
    with pytest.warns(RuntimeWarning, match=r"newer records are not counted.*results\.rec"):
        found = case.task.collect(on_error="return")
    assert found[:4] == [0, 1, 4, 9]
    assert "job 4" in str(found[4])
    with pytest.raises(DamagedFile, match=r"results\.rec"):
        case.task.resubmit()
