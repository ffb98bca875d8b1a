"""Sets of job numbers, and how they are dealt to elements."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.words.errors import UsageError
from hpcbatch.words.plan import Plan
from hpcbatch.words.ranges import Ranges

numbers = st.sets(st.integers(0, 120), max_size=60)
sparse = st.sets(st.integers(0, 10**9), max_size=40)


@given(numbers | sparse)
def test_ranges_hold_what_the_set_holds(members: set[int]) -> None:
    ranges = Ranges.of(members)
    assert list(ranges) == sorted(members)
    assert len(ranges) == len(members)
    assert bool(ranges) == bool(members)
    for near in {number + step for number in members for step in (-1, 0, 1)}:
        assert (near in ranges) == (near in members)


@given(numbers | sparse)
def test_runs_are_sorted_disjoint_apart_and_not_empty(members: set[int]) -> None:
    runs = Ranges.of(members).runs
    assert all(start < stop for start, stop in runs)
    assert all(before[1] < after[0] for before, after in pairwise(runs))


@given(numbers | sparse)
def test_rank_is_the_place_in_order(members: set[int]) -> None:
    ranges = Ranges.of(members)
    for place, number in enumerate(sorted(members)):
        assert ranges.rank(number) == place
    assert ranges.rank(-1) is None
    assert ranges.rank(max(members, default=0) + 1) is None


@given(numbers, st.integers(0, 70), st.integers(0, 70))
def test_slice_is_the_slice_of_the_sorted_list(members: set[int], first: int, last: int) -> None:
    assert list(Ranges.of(members).slice(first, last)) == sorted(members)[first:last]


@given(numbers.filter(bool) | sparse.filter(bool))
def test_text_and_json_bring_the_same_ranges_back(members: set[int]) -> None:
    ranges = Ranges.of(members)
    assert Ranges.parse(str(ranges)) == ranges
    back = Ranges((start, stop) for start, stop in json.loads(json.dumps(ranges.runs)))
    assert back == ranges
    assert hash(back) == hash(ranges)


@given(numbers | sparse, numbers | sparse)
def test_union_common_and_without_are_those_of_sets(first: set[int], second: set[int]) -> None:
    ours, theirs = Ranges.of(first), Ranges.of(second)
    for found, members in (
        (ours.union(theirs), first | second),
        (ours.common(theirs), first & second),
        (ours.without(theirs), first - second),
    ):
        assert found == Ranges.of(members)
        assert len(found) == len(members)
    assert (ours, theirs) == (Ranges.of(first), Ranges.of(second))


@given(numbers, numbers, numbers)
def test_algebra_of_ranges(first: set[int], second: set[int], third: set[int]) -> None:
    a, b, c = map(Ranges.of, (first, second, third))
    assert a.union(b) == b.union(a)
    assert a.common(b) == b.common(a)
    assert a.without(b).union(a.common(b)) == a
    assert a.without(b.union(c)) == a.without(b).without(c)
    assert a.common(b.union(c)) == a.common(b).union(a.common(c))
    assert not a.without(a)
    assert not a.without(b).common(b)


@given(st.lists(st.integers(0, 30)))
def test_order_and_repeats_do_not_matter(given_numbers: list[int]) -> None:
    assert Ranges.of(given_numbers) == Ranges.of(set(given_numbers))


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("3", [3]),
        ("3,7-9", [3, 7, 8, 9]),
        (" 1 , 2 - 4 ", [1, 2, 3, 4]),
        ("5,5,4-6", [4, 5, 6]),
        ("0-0", [0]),
    ],
)
def test_parse_reads(text: str, members: list[int]) -> None:
    assert list(Ranges.parse(text)) == members


@pytest.mark.parametrize("text", ["", ",", "3,,4", "a", "1-", "-1", "1-2-3", "1.5", "5-3", "1 2"])
def test_parse_refuses_and_shows_the_text(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Ranges.parse(text)
    assert repr(text) in str(caught.value)


@given((numbers | sparse).filter(bool), st.integers(1, 70))
def test_every_job_is_in_exactly_one_element(members: set[int], elements: int) -> None:
    plan = Plan(Ranges.of(members), elements)
    dealt = [list(plan.jobs_of(element)) for element in range(elements)]
    assert [list(Ranges(runs)) for runs in plan.shares()] == dealt
    assert [job for share in dealt for job in share] == sorted(members)
    sizes = [len(share) for share in dealt]
    assert max(sizes) - min(sizes) <= 1
    assert plan.largest() == max(sizes)


@given((numbers | sparse).filter(bool), st.integers(1, 70))
def test_element_of_is_the_inverse_of_jobs_of(members: set[int], elements: int) -> None:
    plan = Plan(Ranges.of(members), elements)
    for element in range(elements):
        for job in plan.jobs_of(element):
            assert plan.element_of(job) == element
    for absent in {job + 1 for job in members} - members:
        assert plan.element_of(absent) is None


@given(numbers.filter(bool), st.integers(1, 20), st.integers(0, 20), st.integers(0, 20))
def test_jobs_between_joins_the_elements(
    members: set[int], elements: int, first: int, stop: int
) -> None:
    plan = Plan(Ranges.of(members), elements)
    joined = [job for element in range(first, stop) for job in plan.jobs_of(element)]
    assert list(plan.jobs_between(first, stop)) == joined


def test_elements_beyond_the_plan_have_no_jobs() -> None:
    plan = Plan(Ranges([(0, 10)]), 3)
    assert [len(plan.jobs_of(element)) for element in (-2, -1, 3, 4, 99)] == [0] * 5


def test_a_plan_of_a_million_jobs_is_arithmetic() -> None:
    plan = Plan(Ranges([(0, 10**9)]), 10**6)
    assert plan.jobs_of(999_999).runs == [(999_999_000, 10**9)]
    assert plan.element_of(123_456_789) == 123_456


def test_a_number_that_no_file_has_is_refused() -> None:
    with pytest.raises(UsageError, match="larger than"):
        Ranges.parse("0-99999999999999999999")
