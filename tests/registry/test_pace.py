"""How fast jobs are resolved: the samples, the arithmetic, and what a snapshot keeps of them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.registry.pace import KEPT, RECENT, Sample, jobs_per_second, noted, pace
from hpcbatch.registry.snapshot import SegmentState, Snapshot, read_snapshot
from hpcbatch.words.model import STATES

steps = st.lists(st.tuples(st.floats(0.01, 1e5), st.integers(0, 10_000)), min_size=1, max_size=200)


def told(steps: list[tuple[float, int]]) -> list[Sample]:
    """What clients told, one after the other: seconds passed, jobs resolved meanwhile."""
    now, resolved, samples = 0.0, 0, []
    for passed, more in steps:
        now, resolved = now + passed, resolved + more
        samples.append((now, resolved))
    return samples


def kept(samples: list[Sample]) -> list[Sample]:
    few: list[Sample] = []
    for now, resolved in samples:
        few = noted(few, now, resolved)
    return few


def counts(**known: int) -> dict[str, int]:
    return {state: known.get(state, 0) for state in STATES}


@given(steps)
def test_few_samples_are_kept_of_any_number(steps: list[tuple[float, int]]) -> None:
    samples = told(steps)
    few = kept(samples)
    assert len(few) == min(len(samples), KEPT)
    assert (few[0], few[-1]) == (samples[0], samples[-1])
    assert set(few) <= set(samples)
    assert few == sorted(few)


@given(steps, st.floats(0.0, 1e5))
def test_a_pace_lies_between_the_slowest_and_the_fastest_ever(
    steps: list[tuple[float, int]], silence: float
) -> None:
    samples = told(steps)
    now = samples[-1][0] + silence
    rate = jobs_per_second(kept(samples), now)
    slopes = [
        (later[1] - before[1]) / (later[0] - before[0]) for before, later in pairwise(samples)
    ]
    assert rate is None or 0 < rate <= max(slopes) * (1 + 1e-6)


@given(st.floats(0.01, 1e4), st.lists(st.floats(0.5, 1e4), min_size=2, max_size=100))
def test_a_steady_pace_is_found_whenever_somebody_looks(rate: float, looks: list[float]) -> None:
    now, samples = 0.0, noted([], 0.0, 0)
    for passed in looks:
        now += passed
        samples = noted(samples, now, int(now * rate))
    found = jobs_per_second(samples, now)
    if found is None:  # too slow, or too early
        assert int(now * rate) == 0 or now < 1.0
    else:
        window = min(now, RECENT[0])
        assert found == pytest.approx(rate, abs=2.0 / window + rate * 1e-6)


@given(steps, st.floats(0.0, 1e4), st.integers(0, 10**6))
def test_samples_that_contradict_the_newest_are_dropped(
    steps: list[tuple[float, int]], now: float, resolved: int
) -> None:
    few = noted(kept(told(steps)), now, resolved)
    assert few[-1] == (now, resolved)
    assert all(time < now and count <= resolved for time, count in few[:-1])


def test_an_older_pace_is_forgotten() -> None:
    samples: list[Sample] = []
    for second in range(0, 1000, 10):
        samples = noted(samples, float(second), second * 100)
    for second in range(1000, 3000, 10):
        samples = noted(samples, float(second), 100_000 + second)
    assert jobs_per_second(samples, 2990.0) == pytest.approx(1.0)


def test_jobs_that_end_in_waves_have_a_pace_all_the_time() -> None:
    samples = noted([], 0.0, 0)
    for hour in (1, 2, 3):
        samples = noted(samples, 3600.0 * hour - 1, 100 * (hour - 1))
        samples = noted(samples, 3600.0 * hour, 100 * hour)
    rates = [jobs_per_second(samples, 3600.0 * 3 + more) for more in (60.0, 1800.0, 3500.0)]
    assert all(rate is not None for rate in rates)
    assert rates == sorted(rates, reverse=True)  # the longer nothing ends, the slower it is
    assert 100 / 7200 < rates[-1] < 100 / 3000


@pytest.mark.parametrize(
    "samples",
    [[], [(5.0, 7)], [(0.0, 7), (5.0, 7)], [(9.5, 0), (10.0, 7)], [(20.0, 0), (30.0, 7)]],
    ids=["none", "one", "no progress", "too early", "from a clock ahead"],
)
def test_a_pace_that_is_not_known(samples: list[Sample]) -> None:
    assert jobs_per_second(samples, 10.0) is None
    assert pace(samples, 10.0, counts(running=1)) == (None, None)


def test_the_time_left_is_that_of_all_that_is_alive() -> None:
    samples = [(0.0, 0), (10.0, 20)]
    alive = counts(submitted=1, queued=2, running=3, defined=50, done=20)
    assert pace(samples, 10.0, alive) == (2.0, 3.0)
    assert pace(samples, 10.0, counts(queued=2, done=20)) == (None, None)


def running(attempt: int) -> dict[str, SegmentState]:
    return {f"{attempt:04}-000000.seg": SegmentState()}


def test_the_pace_is_measured_from_the_first_process() -> None:
    snapshot = Snapshot()
    snapshot.note_progress(500.0, 0)  # submitted and waiting: no pace yet
    assert snapshot.progress == []
    snapshot.note_start(1, 1000.0)
    snapshot.note_start(1, 1003.0)
    snapshot.note_progress(1100.0, 200)
    assert snapshot.progress == [(1000.0, 0), (1100.0, 200)]
    assert jobs_per_second(snapshot.progress, 1100.0) == 2.0


def test_a_new_run_does_not_count_the_pause_before_it() -> None:
    snapshot = Snapshot(committed=99, progress=[(0.0, 0), (100.0, 50)], paced=1)
    snapshot.note_start(2, 90_000.0)
    assert snapshot.progress == [(90_000.0, 50)]
    snapshot.note_progress(90_010.0, 60)
    assert jobs_per_second(snapshot.progress, 90_010.0) == 1.0


def test_an_attempt_that_joins_those_that_run_begins_no_run() -> None:
    before = [(0.0, 0), (100.0, 50)]
    snapshot = Snapshot(committed=99, progress=before, paced=1, segments=running(1))
    snapshot.note_start(2, 110.0)
    assert (snapshot.progress, snapshot.paced) == (before, 2)


def test_where_the_beginning_is_lost_the_pace_begins_with_the_next_look() -> None:
    snapshot = Snapshot(committed=99)  # rebuilt, or of an older version
    snapshot.note_start(1, 1000.0)
    snapshot.note_progress(1100.0, 200)
    assert snapshot.progress == [(1100.0, 200)]


def test_progress_is_kept_on_disk_and_older_files_have_none(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    snapshot = Snapshot(progress=[(1.5, 0), (2.5, 9)], paced=3)
    snapshot.publish(str(path))
    assert read_snapshot(str(path)) == snapshot
    text = path.read_text().replace('"progress":[[1.5,0],[2.5,9]],"paced":3', '"x":0')
    path.write_text(text)
    assert read_snapshot(str(path)) == Snapshot()
