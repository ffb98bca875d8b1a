"""Names of tasks, arrays and segments are safe whatever a user writes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.words.layout import (
    TaskLayout,
    is_task_id,
    new_job_name,
    new_task_id,
    rerun_name,
    safe_name,
    segment_name,
    segment_owner,
)

SAFE = re.compile(r"[A-Za-z0-9._-]*\Z")
HOSTILE = ["", " ", "a b", "'\"", ";rm -rf /", "x\ny", "漢字", "🎉é", "-n", "..", "../../up",
           "a" * 300, "\0", "\x1b[31m",
           "0start", "%d", "*?[", ".hidden", "a/b\\c", "---", "3"]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_task_id_is_one_safe_file_name(name: str) -> None:
    task_id = new_task_id(name)
    assert is_task_id(task_id)
    assert SAFE.match(task_id)
    assert len(task_id) <= 50


@pytest.mark.parametrize("longest", [15, 63])
@pytest.mark.parametrize("name", HOSTILE)
def test_an_array_name_begins_with_a_letter_and_fits(name: str, longest: int) -> None:
    job_name = new_job_name(new_task_id(name), longest)
    assert re.match(r"[A-Za-z][A-Za-z0-9_-]*\Z", job_name)
    assert len(job_name) <= longest


@given(st.text(max_size=300), st.sampled_from([15, 16, 17, 18, 30, 63, 200]))
def test_any_text_makes_a_safe_array_name(name: str, longest: int) -> None:
    job_name = new_job_name(new_task_id(name), longest)
    assert re.match(r"[A-Za-z][A-Za-z0-9_-]*\Z", job_name)
    assert len(job_name) <= longest


@given(st.text(max_size=60))
def test_a_safe_name_stays_as_it_is(name: str) -> None:
    safe = safe_name(name)
    assert SAFE.match(safe)
    assert safe_name(safe) == safe


def test_array_names_of_one_task_differ_and_show_its_name() -> None:
    task_id = new_task_id("Fit model")
    names = {new_job_name(task_id) for _ in range(200)}
    assert len(names) == 200
    assert all(name.startswith(f"Fit-model-{task_id[:8]}") for name in names)


@pytest.mark.parametrize(
    "text", ["", "last", "..", "3f9a12c4", "3f9a12c4_x", "3F9A12C4__x", "3f9a12c4__x\n",
             ".3f9a12c4__x.new", "3f9a12c4__a/b"],
)  # fmt: skip
def test_what_is_no_task_id(text: str) -> None:
    assert not is_task_id(text)


@pytest.mark.parametrize(("attempt", "element"), [(1, 0), (12, 999_999), (10_000, 1_234_567)])
def test_the_owner_is_read_from_every_segment_name(attempt: int, element: int) -> None:
    assert segment_owner(segment_name(attempt, element)) == (attempt, element)
    rerun = rerun_name(attempt, element, "node-7.local", 4242)
    assert segment_owner(rerun) == (attempt, element)
    assert rerun.startswith(segment_name(attempt, element)[:-3])
    assert "/" not in rerun_name(1, 0, "a/b", 1)


def test_every_path_lies_in_the_tasks_folder() -> None:
    layout = TaskLayout("/root", "3f9a12c4__x")
    paths = [value for value in vars(layout).values() if isinstance(value, str)]
    paths += [layout.log(1, 2), *vars(layout.attempt(3)).values(), layout.attempt(3).script(1)]
    assert all(path.startswith("/root/3f9a12c4__x") for path in paths)
    assert len(set(paths)) == len(paths)
