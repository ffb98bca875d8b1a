"""What travels: records, errors and states."""

from __future__ import annotations

import inspect
import pickle
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.words import errors, events
from hpcbatch.words.errors import HpcbatchError, JobError, NewerFormat, NotFound, TaskFailed
from hpcbatch.words.events import HEAD, Event, pack_text, unpack_text
from hpcbatch.words.formats import FORMAT, checked_format
from hpcbatch.words.messages import nearest, without_file
from hpcbatch.words.model import ALIVE, RESOLVED, STATES, UNFINISHED, TaskSpec
from hpcbatch.words.status import TaskStatus, known_states
from tests.core import packed_event

unsigned = st.integers(0, 2**64 - 1)
times = st.floats(allow_nan=False)
ERRORS = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, HpcbatchError)
]


@given(
    st.tuples(
        st.integers(0, 255), st.integers(0, 65535), st.integers(0, 2**32 - 1), unsigned, times,
        times, unsigned, unsigned, unsigned, st.floats(width=32, allow_nan=False),
        st.binary(max_size=200),
    )
)  # fmt: skip
def test_an_event_comes_back_as_it_was(fields: tuple[Any, ...]) -> None:
    *head, body = fields
    back = Event.unpack(HEAD.pack(*head) + body)
    event = Event(*fields)
    assert [getattr(back, name) for name in Event.__slots__] == [
        getattr(event, name) for name in Event.__slots__
    ]


def test_a_payload_shorter_than_a_head_is_no_event() -> None:
    whole = packed_event(events.END, 1, 0)
    for length in range(len(whole)):
        with pytest.raises(struct.error):
            Event.unpack(whole[:length])


@given(st.lists(st.text(), max_size=6))
def test_text_fields_come_back(fields: list[str]) -> None:
    assert unpack_text(pack_text(*fields)) == fields


def test_text_that_is_no_unicode_still_travels() -> None:
    assert unpack_text(pack_text("file \udcff")) == ["file \\udcff"]


@given(st.binary(max_size=40))
def test_any_bytes_unpack_to_some_text(body: bytes) -> None:
    assert all(isinstance(field, str) for field in unpack_text(body))


def _example(error: type[HpcbatchError]) -> HpcbatchError:
    if error is JobError:
        return JobError(3, "error", "ValueError", "seven is bad", "Traceback …\n")
    if error is TaskFailed:
        return TaskFailed("3f9a12c4__x", [JobError(3, "error", "ValueError", "bad")], 10)
    if issubclass(error, errors.RemoteError):
        return error("ValueError", "seven is bad", "Traceback …\n")
    if issubclass(error, OSError):
        return error(28, "cannot write /x: no space")
    return error("what went wrong, and what to do")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_survives_a_pickle_with_its_text(error: type[HpcbatchError]) -> None:
    original = _example(error)
    back = pickle.loads(pickle.dumps(original))
    assert type(back) is error
    assert str(back) == str(original)
    assert len(str(back)) > 10
    assert isinstance(back, HpcbatchError)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_is_in_the_tree_of_the_documentation(error: type[HpcbatchError]) -> None:
    assert error.__name__ in (errors.__doc__ or "")
    assert error.__doc__


def test_errors_are_also_what_python_calls_them() -> None:
    assert issubclass(errors.UsageError, ValueError)
    assert issubclass(errors.NotFound, KeyError)
    assert issubclass(errors.WaitTimeout, TimeoutError)
    assert issubclass(errors.RegistryUnwritable, OSError)
    assert str(NotFound("there is no task 'x'")) == "there is no task 'x'"


def test_a_failed_task_tells_the_count_the_first_tracebacks_and_the_way_on() -> None:
    failures = [
        JobError(k, "error", "ValueError", f"bad {k}", f"Trace\n  line {k}\n") for k in range(7)
    ]
    text = str(TaskFailed("3f9a12c4__x", iter(failures), 100))
    assert text.startswith("7 of 100 jobs of 3f9a12c4__x have no result")
    assert "job 0 error: ValueError: bad 0" in text
    assert "    line 4" in text
    assert "line 5" not in text
    assert "and 2 more" in text
    assert 'on_error="skip"' in text


def test_a_job_error_without_a_type_tells_its_reason() -> None:
    assert str(JobError(4, "expired", "", "out-of-memory on node7")) == (
        "job 4 expired: out-of-memory on node7"
    )


def test_an_error_of_the_disk_without_its_file() -> None:
    assert without_file(OSError(2, "No such file", "/a")) == "No such file"
    assert without_file(OSError("odd")) == "odd"
    assert without_file(ValueError("'/a' is no number")) == "'/a' is no number"


def test_the_nearest_name_is_told() -> None:
    assert nearest("memry", {"memory", "cpus"}) == (
        "; did you mean 'memory'? (known: cpus, memory)"
    )
    assert nearest("zzz", ["a"]) == " (known: a)"
    assert nearest("partition", ["queue", "portion"]).startswith("; did you mean 'queue'?")
    assert nearest("Cpus_Per_Task", ["cpus"]).startswith("; did you mean 'cpus'?")
    assert nearest("failed", STATES).startswith("; did you mean 'error'?")
    assert nearest("zzz", []) == ""


def _status(**counts: int) -> TaskStatus:
    whole = {state: counts.get(state, 0) for state in STATES}
    return TaskStatus("id", "name", sum(counts.values()), whole, started=0)


@pytest.mark.parametrize("state", STATES)
def test_one_state_alone_decides_resolved_and_idle(state: str) -> None:
    status = _status(**{state: 2})
    assert status.resolved == (state in RESOLVED)
    assert status.idle == (state not in ALIVE)
    mixed = _status(done=1, **({state: 2} if state != "done" else {}))
    assert mixed.resolved == (state in RESOLVED)
    assert getattr(status, state) == 2


def test_a_status_has_no_other_attributes_and_travels() -> None:
    status = _status(done=1)
    with pytest.raises(AttributeError):
        _ = status.finished
    assert pickle.loads(pickle.dumps(status)) == status
    assert status.to_json()["resolved"] is True


def test_groups_of_states_make_sense() -> None:
    assert set(ALIVE) | set(RESOLVED) | {"defined"} == set(STATES)
    assert set(UNFINISHED) == set(STATES) - {"done"}


def test_known_states_refuses_others_with_the_nearest() -> None:
    assert known_states(None) is None
    assert known_states("done") == ("done",)
    assert known_states(["done", "error"]) == ("done", "error")
    with pytest.raises(errors.UsageError, match="did you mean 'expired'"):
        known_states("expire")


@pytest.mark.parametrize("found", [FORMAT + 1, 99, "1", None, 1.5])
def test_a_newer_or_strange_format_is_refused(found: Any) -> None:
    with pytest.raises(NewerFormat, match=r"task\.json has format"):
        checked_format({"format": found}, "task.json")


def test_an_older_format_is_read_and_the_number_left_out() -> None:
    assert checked_format({"format": 0, "a": 1}, "x") == {"a": 1}
    assert checked_format({"a": 1}, "x") == {"a": 1}


def test_a_spec_comes_back_from_its_json() -> None:
    spec = TaskSpec("i", "n", 1.5, "u", "h", 3, 7, "python", "f", 0, ["x"], [], "3.11", "/w")
    assert TaskSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("kind", "may_pass"),
    [
        (errors.RegistryBusy, True),
        (errors.RegistryUnwritable, True),
        (errors.CommandTimeout, True),
        (errors.SubmissionDeferred, True),
        (errors.SubmissionRejected, False),
        (errors.ProgramMissing, True),  # on another host
        (errors.DamagedFile, False),
        (errors.ConfigError, False),
    ],
)
def test_what_may_pass_by_itself(kind: type[errors.HpcbatchError], may_pass: bool) -> None:
    assert kind("told").may_pass is may_pass
