"""What is computed of the records of all jobs: grids, timelines, histograms, groups of failures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.disk.index import BEGUN, DONE, ERROR, Entry
from hpcbatch.use import collect, job_infos, job_logs
from hpcbatch.use import job_statistics as module
from hpcbatch.use.groups import grouped
from hpcbatch.use.histograms import MOMENTS, Bins, Concurrency
from hpcbatch.use.job_statistics import _Spans, figures
from hpcbatch.use.state_runs import LETTERS, run_lengths, state_runs
from hpcbatch.words.errors import JobError, NotFound
from hpcbatch.words.model import STATES
from tests.core import Case


def decoded(runs: str) -> bytes:
    found = re.findall(r"([a-z])(\d*)", runs)
    return b"".join(bytes([LETTERS.index(letter)]) * int(count or 1) for letter, count in found)


@given(st.lists(st.tuples(st.integers(0, len(STATES) - 1), st.integers(1, 300))))
def test_a_grid_comes_back(runs: list[tuple[int, int]]) -> None:
    states = b"".join(bytes([code]) * count for code, count in runs)
    told = run_lengths(states)
    assert decoded(told) == states
    assert len(told) <= 5 * len(runs)


def test_a_grid_is_short() -> None:
    done, error = STATES.index("done"), STATES.index("error")
    states = bytes([done]) * 10 + bytes([error]) + bytes([done]) * 99_989
    assert run_lengths(states) == "e10fe99989"


numbers = st.floats(0, 1e12, allow_nan=False)


@given(st.lists(numbers, min_size=1, max_size=200))
def test_every_number_is_in_a_bin(given: list[float]) -> None:
    bins = Bins(min(given), max(given))
    for number in given:
        bins.add(number)
    assert sum(bins.counts) == len(given)
    assert bins.edges == sorted(bins.edges)
    assert (bins.edges[0], bins.edges[-1]) == (min(given), max(given))
    assert len(bins.edges) == len(bins.counts) + 1
    assert bins.mean == pytest.approx(sum(given) / len(given))


@pytest.mark.parametrize("low", [1.0, 50.0])
def test_a_number_outside_the_bins_is_in_the_nearest(low: float) -> None:
    """Such as the duration of a job that is too short to have one."""
    bins = Bins(low, 100.0)
    for number in (0.0, 0.0, 1e9):
        bins.add(number)
    assert (bins.counts[0], bins.counts[-1], sum(bins.counts)) == (2, 1, 3)


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 1000)), min_size=1, max_size=60))
def test_what_ran_at_once_adds_up(given: list[tuple[float, float]]) -> None:
    spans = [(min(span), max(span)) for span in given]
    busy = Concurrency(min(a for a, _ in spans), max(b for _, b in spans))
    for a, b in spans:
        busy.add(a, b)
    width = (busy.end - busy.start) / MOMENTS
    assert sum(busy.levels) * width == pytest.approx(sum(b - a for a, b in spans), abs=1e-6)
    assert max(busy.levels) <= len(spans) + 1e-6


def fails_at_three(k: int) -> int:
    print("job", k)
    if k == 3:
        raise ValueError("three")
    return k


def test_figures_of_a_task(own_registry: Path) -> None:
    case = Case.of(fails_at_three, range(8))
    empty = figures(case.registry, case.task.id)
    assert (empty.elements, empty.busy, empty.times, empty.memory) == ([], None, None, None)
    case.submit(elements=2)
    assert state_runs(case.registry, case.task.id) == "b8"
    case.run(1, 0)
    found = figures(case.registry, case.task.id)
    (span,) = found.elements
    assert (span.attempt, span.element, span.done, span.failed) == (1, 0, 3, 1)
    assert span.host
    assert span.end is not None
    assert span.start <= span.end
    assert found.times is not None
    assert found.times.count == 4
    assert found.busy is not None
    case.run(1, 1)
    assert [span.done for span in figures(case.registry, case.task.id).elements] == [3, 4]
    assert state_runs(case.registry, case.task.id) == "e3fe4"


def test_the_elements_that_began_last_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHOWN", 2)
    spans = _Spans()
    for job in range(12):
        element = job // 3
        said = ERROR if job == 10 else DONE
        spans.add(Entry(said, 1, element, 0, 0, 100.0 + job, 101.0 + job), 101.0 + job)
    spans.add(Entry(BEGUN, 2, 0, 0, 0, 50.0), None)
    newest, others = spans.newest()
    assert [(span.element, span.start, span.end) for span in newest] == [
        (2, 106.0, 109.0),
        (3, 109.0, 112.0),
    ]
    assert (newest[1].done, newest[1].failed, others) == (2, 1, 3)


def test_an_element_that_runs_has_no_end() -> None:
    spans = _Spans()
    spans.add(Entry(DONE, 1, 0, 0, 0, 10.0, 11.0), 11.0)
    spans.add(Entry(BEGUN, 1, 0, 0, 0, 11.0), None)
    ((span,), others) = spans.newest()
    assert (span.start, span.end, span.done, others) == (10.0, None, 1, 0)


def test_failures_in_groups() -> None:
    groups = grouped(
        [
            JobError(5, "error", "ValueError", "a", "first"),
            JobError(1, "expired", "", "timeout"),
            JobError(6, "error", "ValueError", "a", "second"),
            *(JobError(k, "error", "KeyError", f"job{k}777 at 0x{k:x}f\n{k}") for k in (7, 8, 19)),
            *(JobError(k, "error", "ProgramFailed", f"exit status {k}") for k in (1, 137)),
            JobError(9, "error", "KeyError", "nine"),
            *(JobError(k, "error", "ValueError", f"x{k} = -{k / 7}e-{k}") for k in range(20, 24)),
        ]
    )
    told = [(each.told, str(each.jobs), each.first.traceback, each.varies) for each in groups]
    assert told == [
        ("ValueError: x20 = -2.857142857142857e-20", "20-23", "", True),
        ("KeyError: job7777 at 0x7f\n7", "7-8,19", "", True),
        ("ValueError: a", "5-6", "first", False),
        ("timeout", "1", "", False),
        ("ProgramFailed: exit status 1", "1", "", False),
        ("ProgramFailed: exit status 137", "137", "", False),
        ("KeyError: nine", "9", "", False),
    ]


@pytest.mark.parametrize("name", ["/data/sample{}.csv", "run_{}.csv", "x{}00", "item {}"])
def test_numbers_of_a_job_s_own_part_none(name: str) -> None:
    told = [f"No such file: '{name.format(k)}'" for k in (*range(8, 30), 123)]
    assert len(grouped([JobError(k, "error", "OSError", m) for k, m in enumerate(told)])) == 1


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("CalledProcessError", "non-zero exit status 1.", "non-zero exit status 137."),
        ("SystemExit", "2", "9"),
        ("HTTPError", "HTTP Error 404: x", "HTTP Error 503: x"),
        ("RuntimeError", "CUDA error 2: x", "CUDA error 700: x"),
        ("OSError", "[Errno 2] x", "[Errno 13] x"),
        ("KeyError", "'col1'", "'col2'"),
        ("ModuleNotFoundError", "No module named 'h5py'", "No module named 'h6py'"),
        ("TypeError", "no loop for float32", "no loop for float64"),
    ],
)
def test_numbers_that_tell_why_part_groups(kind: str, one: str, other: str) -> None:
    assert len(grouped([JobError(k, "error", kind, m) for k, m in enumerate((one, other))])) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("value 17 not in range", "value 0 not in range"),
        ("'/data/x_17.csv'", "'/data/x_5.csv'"),
        ("relative error 0.31", "relative error 12.5"),
        ("at 1.5e-7", "at 3"),
        ("-3", "44"),
    ],
)
def test_numbers_of_a_job_part_none(one: str, other: str) -> None:
    failures = [JobError(k, "error", "ValueError", m) for k, m in enumerate((one, other, one))]
    (group,) = grouped(failures)
    assert group.varies


def test_some_failures_parts_of_a_log_and_no_script(own_registry: Path) -> None:
    case = Case.of(fails_at_three, range(8))
    case.submit()
    case.run()
    id = case.task.id
    assert [error.index for error in collect.failures(case.registry, id, 1)] == [3]
    whole = job_logs.log_part(case.registry, id, 1, 0, 0, 1000)
    assert whole.content.startswith(b"job 0\njob 1\n")
    assert whole.size == len(whole.content)
    end = job_logs.log_part(case.registry, id, 1, 0, -6, 3)
    assert (end.begin, end.size, end.content) == (whole.size - 6, whole.size, b"job")
    assert job_logs.log_part(case.registry, id, 1, 0, 10**9, 9).content == b""
    assert job_logs.log_part(case.registry, id, 1, 7, 0, 9) == (0, 0, b"")
    assert [attempt.number for attempt in job_infos.attempts(case.registry, id)] == [1]
    with pytest.raises(NotFound, match="no script 1: it has 0 scripts"):
        job_infos.script(case.registry, id, 1, 0)
    Path(case.layout.attempt(1).script(0)).touch()
    with pytest.raises(NotFound, match=r"no script 3: it has 1 script$"):
        job_infos.script(case.registry, id, 1, 2)
