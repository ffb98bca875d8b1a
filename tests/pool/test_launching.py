"""How many workers are launched, when, and what is said where that fails."""

from __future__ import annotations

import errno
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hpcbatch as hb
from hpcbatch.pool.arrivals import Arrivals
from hpcbatch.pool.folder import make_pool, was_ended
from hpcbatch.pool.launchers import Standing, find_launcher
from hpcbatch.pool.launching import Launching
from hpcbatch.pool.scaling import to_launch
from hpcbatch.words.errors import SiteUnreachable, SubmissionRejected
from tests.core import eventually

counts = st.integers(0, 1000)


@given(counts, counts, counts, counts)
def test_scaling_asks_for_what_is_missing_and_only_once(
    demand: int, launching: int, connected: int, maximum: int
) -> None:
    n = to_launch(demand, launching, connected, maximum)
    assert n >= 0
    assert launching + connected + n <= max(maximum, launching + connected)
    assert n <= demand
    assert to_launch(demand, launching + n, connected, maximum) == 0
    assert to_launch(demand, launching, connected + n, maximum) == 0
    assert to_launch(demand + 1, launching, connected, maximum) >= n


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 25)), max_size=8))
def test_what_was_launched_has_come_is_lost_or_is_to_come(launches: list[tuple[int, int]]) -> None:
    """Whatever comes, and from which launch it says it does."""
    arrivals, names = Arrivals(10.0), itertools.count()
    for number, (workers, came) in enumerate(launches, 1):
        arrivals.expect(number, workers)
        arrivals.begin(number, now=0.0)
        arrivals.come({"worker": str(next(names)), "launch": number} for _ in range(came))
        assert 0 <= arrivals.launching <= arrivals.launched
    for launch in arrivals.open():
        arrivals.judge(launch, None, is_prompt=False, now=9.0)
    assert arrivals.lost == 0
    for launch in arrivals.open():
        arrivals.judge(launch, None, is_prompt=False, now=10.0)
    assert arrivals.launching == 0
    assert arrivals.lost <= sum(workers for workers, _ in launches)


def test_a_worker_that_waits_in_a_queue_is_not_lost() -> None:
    arrivals = Arrivals(10.0)
    arrivals.expect(1, 5)
    assert arrivals.open() == []  # the launcher is at it: none can be missed
    arrivals.begin(1, now=0.0)
    (launch,) = arrivals.open()
    assert not arrivals.judge(launch, Standing(5, 5), is_prompt=False, now=11.0)
    assert arrivals.launching == 5
    assert not arrivals.judge(launch, Standing(3, 4), is_prompt=False, now=12.0)
    assert arrivals.launching == 5
    assert not arrivals.judge(launch, Standing(3, 4), is_prompt=False, now=22.0)
    assert (arrivals.launching, arrivals.lost) == (3, 2)
    assert arrivals.come([{"worker": "late", "launch": 1}])
    assert not arrivals.come([{"worker": "late", "launch": 1}])  # a connection made again
    assert not arrivals.judge(launch, Standing(0, 0), is_prompt=True, now=23.0)
    assert (arrivals.launching, arrivals.lost, arrivals.arrived) == (0, 4, 1)


def test_workers_are_refused_for_good_where_none_came_or_is_to_come() -> None:
    arrivals = Arrivals(10.0)

    def refuse(number: int, workers: int = 2) -> bool:
        arrivals.expect(number, workers)
        arrivals.withdraw(number, workers, is_final=True)
        return arrivals.are_refused

    assert [refuse(1), refuse(2)] == [False, False]
    arrivals.expect(3, 2)
    arrivals.withdraw(3, 2)  # put off: the next may be taken
    assert [refuse(4), refuse(5), refuse(6)] == [False, False, True]
    arrivals.expect(7, 1)
    arrivals.begin(7, now=0.0)
    assert [refuse(8), refuse(9), refuse(10)] == [False, False, False]  # one is to come
    (launch,) = arrivals.open()
    arrivals.judge(launch, None, is_prompt=False, now=10.0)
    assert arrivals.are_refused
    arrivals.come([{"worker": "late", "launch": 7}])
    assert not refuse(11)


class Told:
    """Launches nothing, and can be told to fail."""

    def __init__(self) -> None:
        self.launches: list[int] = []
        self.fails = ""

    def launch_workers(self, call: hb.Call, n: int) -> None:
        if self.fails:
            raise SubmissionRejected(self.fails)
        self.launches.append(n)


@pytest.fixture
def make(own_registry: Any) -> Iterator[Callable[..., Launching]]:
    made: list[Launching] = []
    layout, _ = make_pool("p", "local", 4, "0")
    open(layout.door, "x").close()

    def make(launcher: Any, maximum: int = 4, seconds_launch: float = 60.0) -> Launching:
        def call(number: int) -> hb.Call:
            return hb.Call(("true",), layout.folder, layout.id, number, "name", layout.logs)

        found = find_launcher(launcher)
        found.pause = 0.05
        made.append(Launching("p", layout, found, call, maximum, seconds_launch))
        return made[-1]

    yield make
    for each in made:
        each.close()


def workers(count: int, launch: int = 1) -> list[dict[str, Any]]:
    return [{"worker": os.urandom(4).hex(), "launch": launch} for _ in range(count)]


def test_pushes_are_gathered_into_one_launch(make: Callable[..., Launching]) -> None:
    told = Told()
    launching = make(told)
    launching.start(1)
    eventually(lambda: told.launches == [1])
    launching.tell(0, 1, workers(1))
    for demand in range(1, 60):
        launching.tell(demand, 1, ())
    eventually(lambda: sum(told.launches) == 4)
    assert len(told.launches) <= 3
    launching.tell(100, 4, workers(3, 2))
    assert launching.report()["launching"] == 0
    assert launching.scale() == 0


def test_descale_launches_only_by_scale(make: Callable[..., Launching]) -> None:
    told = Told()
    launching = make(told)
    launching.start(1)
    eventually(lambda: told.launches == [1])
    launching.is_automatic = False
    launching.tell(3, 1, workers(1))
    assert launching.scale() == 2
    eventually(lambda: told.launches == [1, 2])


def test_after_failed_launches_it_pauses_and_says_why(
    make: Callable[..., Launching], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    told = Told()
    told.fails = "sbatch: error: invalid account"
    launching = make(told)
    launching.start(4)
    for count in (1, 2, 3):
        eventually(lambda count=count: launching.report()["failures"] == count)
        if count < 3:
            launching.tell(4, 0, ())
            launching._pause_until = 0.0
            launching._wake.set()
    report = launching.report()
    assert report["pauses_for"] > 30
    assert "invalid account" in report["why"]
    assert "pauses for 60 s" in caplog.text
    assert "invalid account" in caplog.text
    assert report["launched"] == report["launching"] == 0
    told.fails = ""
    launching.scale()
    eventually(lambda: told.launches == [4])
    launching.tell(4, 4, workers(4, 4))
    assert launching.report()["failures"] == 0


def test_a_pool_whose_first_workers_are_refused_closes_and_says_why(own_registry: Any) -> None:
    class Refusing:
        def launch_workers(self, call: hb.Call, n: int) -> None:
            raise SubmissionRejected("Unable to run job: unknown queue 'nope'")

    with hb.Controller(launcher=Refusing) as pool:
        future = pool.submit(abs, -1)
        pool.push(abs, -2)
        eventually(lambda: pool.scale() and future.done())
        with pytest.raises(hb.PoolClosed, match=r"refused 3 times: mend .* unknown queue 'nope'"):
            future.result()
        with pytest.raises(hb.PoolClosed, match="unknown queue 'nope'"):
            pool.map(abs, [-3])
    (row,) = pool.collect()
    assert (row.status, "unknown queue 'nope'" in str(row.error)) == ("error", True)


def test_who_waits_in_vain_for_workers_is_told_why(
    own_registry: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Full:
        def launch_workers(self, call: hb.Call, n: int) -> None:
            raise hb.LaunchError("no room in the queue")

    pool = hb.Controller(launcher=Full)
    future = pool.submit(abs, -1)
    eventually(lambda: pool.summary().launches["why"])
    with pytest.raises(hb.WaitTimeout, match=r"0 of 1 items .* given up: no .* no room in the q"):
        pool.map(abs, [-1], timeout=0.05)
    closing = threading.Thread(target=pool.shutdown)
    closing.start()
    eventually(lambda: "waits for 1 call before it closes, and no worker" in caplog.text)
    assert caplog.text.rstrip().endswith("no room in the queue")
    assert future.cancel()
    closing.join(30)
    assert pool.is_closed


def test_nobody_is_missed_while_nobody_can_tell(make: Callable[..., Launching]) -> None:
    class Away(Told):
        asked = 0
        is_away = True

        def standing(self, number: int) -> Standing:
            self.asked += 1
            if self.is_away:
                raise SiteUnreachable("the login node is away")
            return Standing(0, 0)

    told = Away()
    launching = make(told, seconds_launch=0.05)
    launching.start(2)
    eventually(lambda: told.asked > 2)
    assert (launching.report()["lost"], told.launches) == (0, [2])
    told.is_away = False
    eventually(lambda: launching.report()["lost"] == 2)


def test_workers_that_never_come_are_lost_and_their_log_is_told(
    make: Callable[..., Launching],
) -> None:
    class Logs(Told):
        def launch_workers(self, call: hb.Call, n: int) -> None:
            super().launch_workers(call, n)
            with open(f"{call.logs}/0001-0.log", "w") as log:
                log.write("hpcbatch: a worker of a pool needs pyzmq\n")

    launching = make(Logs(), seconds_launch=0.1)
    launching.start(2)
    report = eventually(lambda: (r := launching.report())["failures"] and r)
    assert report["lost"] == 2
    assert "0001-0.log says: hpcbatch: a worker of a pool needs pyzmq" in report["why"]


def test_nothing_is_launched_for_a_pool_that_somebody_ended(
    make: Callable[..., Launching],
) -> None:
    told = Told()
    launching = make(told)
    os.unlink(launching._layout.door)
    launching.start(2)
    report = eventually(lambda: (r := launching.report())["failures"] and r)
    assert "ended by somebody else" in report["why"]
    assert told.launches == []


def test_what_is_no_launcher_is_refused() -> None:
    with pytest.raises(hb.LaunchError, match="neither launch_workers nor launch_worker"):
        find_launcher(object())
    with pytest.raises(hb.ConfigError, match="unknown launcher 'nomad'"):
        find_launcher("nomad")
    call = hb.Call((), "", "", 1, "", "")
    with pytest.raises(hb.LaunchError, match="neither"):
        find_launcher(hb.Launcher).launch_workers(call, 1)


def fails_with(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_disk_that_does_not_answer_is_no_end(
    make: Callable[..., Launching], monkeypatch: pytest.MonkeyPatch
) -> None:
    launching = make(Told())
    launching.start(0)
    layout = launching._layout
    assert not was_ended(layout)
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", fails_with(errno.ESTALE))
        assert not was_ended(layout)
    os.unlink(layout.door)
    assert was_ended(layout)
