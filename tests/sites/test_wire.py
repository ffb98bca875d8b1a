"""What travels comes back as it was, and what is cut off is noticed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hpcbatch as hb
from hpcbatch.sites import streams, wire
from hpcbatch.use.create import Mended
from hpcbatch.use.resubmit import Resubmission
from hpcbatch.words import errors
from hpcbatch.words.model import STATES
from hpcbatch.words.options import SubmitOptions
from hpcbatch.words.ranges import Ranges
from hpcbatch.words.status import JobInfo, TaskStatus

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FAILURES = st.builds(hb.JobError, st.integers(0, 10**12), TEXT, TEXT, TEXT, TEXT)
RESULTS = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 10**12), st.binary(max_size=50)),
        FAILURES.map(lambda failure: (failure.index, failure)),
    )
)


def shown(results: list[Any]) -> list[Any]:
    return [(job, v if isinstance(v, bytes) else v.args) for job, v in results]


@given(RESULTS, st.integers(1, 40))
def test_results_come_in_pieces_of_any_size(results: list[Any], size: int) -> None:
    stream = b"".join(streams.results_stream(results))
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert shown(list(streams.results_from(pieces))) == shown(results)


@given(RESULTS, st.data())
def test_of_a_stream_that_was_cut_all_before_is_whole(results: list[Any], data: Any) -> None:
    stream = b"".join(streams.results_stream(results))
    cut = data.draw(st.integers(0, len(stream) - 1))
    got = []
    with pytest.raises(hb.SiteUnreachable):
        got.extend(streams.results_from([stream[:cut]]))
    got = []
    try:
        for result in streams.results_from([stream[:cut]]):
            got.append(result)
    except hb.SiteUnreachable:
        pass
    assert shown(got) == shown(results[: len(got)])


@given(RESULTS.filter(bool), st.data())
def test_a_stream_that_was_altered_is_refused(results: list[Any], data: Any) -> None:
    stream = bytearray(b"".join(streams.results_stream(results)))
    stream[data.draw(st.integers(12, len(stream) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(hb.SiteUnreachable):
        list(streams.results_from([bytes(stream)]))


@given(FAILURES)
def test_failures(failure: hb.JobError) -> None:
    assert wire.failure_from(wire.failure_json(failure)).args == failure.args


def test_jobs_statuses_and_mended_functions() -> None:
    info = JobInfo(3, "error", "ValueError", 1, 2, "slurm", "n1", 1.0, 2.5, 0.5, 100)
    assert wire.job_from(wire.job_json(info)) == info
    counts = {**dict.fromkeys(STATES, 0), "done": 2}
    status = TaskStatus("i", "n", 2, counts, 2, ("slurm",), ("a note",), unreleased=True)
    assert TaskStatus.from_json({**status.to_json(), "newer": 1}) == status
    for mended in (Mended(b"\0f", b"zip"), Mended(b"f", None)):
        assert wire.mended_from(wire.mended_json(mended)) == mended


def test_options() -> None:
    options = SubmitOptions.read(
        cluster="slurm",
        resources={"memory": "2GB"},
        retries=2,
        after=("0123abcd__a",),
        env={"A": "b c"},
    )
    assert wire.options_from(wire.options_json(options)) == options
    asked = Resubmission(options, "error", Ranges.of([1, 2]), Mended(b"f", None), revoke=True)
    assert wire.resubmission_from(wire.resubmission_json(asked)) == asked


def own_errors() -> list[type[errors.HpcbatchError]]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    return [kind for kind in kinds if issubclass(kind, errors.HpcbatchError)]


@pytest.mark.parametrize("kind", own_errors())
def test_errors(kind: type[errors.HpcbatchError]) -> None:
    told = {"error": kind.__name__, "message": "what to do"}
    error = wire.error_from(told)
    assert str(error) == "what to do"
    if kind not in (errors.JobError, errors.TaskFailed, errors.RemoteError, errors.WorkerLost):
        assert type(error) is kind
        assert wire.error_json(error) == told


@pytest.mark.parametrize("name", ["NoSuchError", "Iterable", "nearest", "__doc__", "", None])
def test_an_unknown_error_is_one_of_ours(name: Any) -> None:
    assert type(wire.error_from({"error": name, "message": "m"})) is hb.HpcbatchError
