"""Resources as users write them become seconds and bytes, or a useful refusal."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.words.errors import ResourceError
from hpcbatch.words.resources import Resources, parse_memory, parse_walltime


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("2H", 7200),
        ("1d12h", 129600),
        ("1h 30m", 5400),
        ("1.5h", 5400),
        ("1w", 604800),
        ("01:30:00", 5400),
        ("100:00:00", 360000),
        ("1-12:00:00", 129600),
        (timedelta(hours=1), 3600),
        (timedelta(microseconds=1), 1),
        (3600, 3600),
        (0.2, 1),
        ("0.1s", 1),
        (59.0001, 60),
    ],
)
def test_walltime_is_read_and_rounded_up(value: Any, seconds: int) -> None:
    parsed = parse_walltime(value)
    assert parsed == seconds
    assert type(parsed) is int


@pytest.mark.parametrize(
    "value",
    [
        "", "h", "10", "2 fortnights", "1:30", "1:60:00", "-1h", "1h-2h", "nan", None, True,
        [], b"1h", float("nan"), float("inf"), "9" * 400 + "s",
        "9" * 5000 + ":00:00", "9" * 5000 + "-00:00:00",
    ],
)  # fmt: skip
def test_walltime_that_is_none_is_refused_with_the_forms(value: Any) -> None:
    with pytest.raises(ResourceError, match=r"01:30:00"):
        parse_walltime(value)


@pytest.mark.parametrize("value", [0, -1, "0s", "00:00:00", timedelta(0), timedelta(seconds=-5)])
def test_walltime_of_nothing_is_refused(value: Any) -> None:
    with pytest.raises(ResourceError, match="not longer than nothing"):
        parse_walltime(value)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("500MB", 500 << 20),
        ("4GB", 4 << 30),
        ("4g", 4 << 30),
        ("4 GiB", 4 << 30),
        ("1.5G", 3 << 29),
        ("2TB", 2 << 40),
        ("1P", 1 << 50),
        ("64K", 65536),
        ("1000", 1000),
        ("12B", 12),
        (1, 1),
        ("0.0001K", 1),
    ],
)
def test_memory_is_read_and_rounded_up(value: Any, size: int) -> None:
    parsed = parse_memory(value)
    assert parsed == size
    assert type(parsed) is int


@pytest.mark.parametrize(
    "value",
    ["", "GB", "4 gigs", "1.5", "-4GB", "4GBs", "1e9", None, True, 1.5, [], b"4GB"],
)
def test_memory_that_is_none_is_refused_with_the_forms(value: Any) -> None:
    with pytest.raises(ResourceError, match="500MB"):
        parse_memory(value)


@pytest.mark.parametrize("value", ["4", "512", "64K", 4, 1000])
def test_memory_without_its_unit_is_no_resource(value: Any) -> None:
    with pytest.raises(ResourceError, match="nothing runs in less than 1MB; write 500MB, 4GB"):
        Resources.parse({"memory": value})


@pytest.mark.parametrize("value", [0, -1, "0GB"])
def test_memory_of_nothing_is_refused(value: Any) -> None:
    with pytest.raises(ResourceError, match="not more than nothing"):
        parse_memory(value)


def test_absurd_numbers_are_refused() -> None:
    with pytest.raises(ResourceError):
        parse_memory("9" * 400 + "GB")
    with pytest.raises(ResourceError):
        parse_walltime(10**400)


@given(st.text(max_size=12) | st.integers() | st.floats() | st.none() | st.booleans())
def test_anything_is_a_whole_number_or_a_resource_error(value: Any) -> None:
    for parse in (parse_walltime, parse_memory):
        try:
            assert parse(value) >= 1
        except ResourceError as error:
            assert repr(value) in str(error)  # noqa: PT017


@given(st.integers(1, 10**7))
def test_every_spelling_of_a_walltime_is_the_same(seconds: int) -> None:
    hours, rest = divmod(seconds, 3600)
    days, within = divmod(hours, 24)
    clock = f"{rest // 60:02d}:{rest % 60:02d}"
    spellings = [f"{seconds}s", f"{hours}:{clock}", f"{days}-{within}:{clock}", seconds]
    assert {parse_walltime(spelling) for spelling in spellings} == {seconds}


def test_a_later_layer_overrules_and_none_takes_back() -> None:
    found = Resources.parse(
        {"cpus": 4, "memory": "1GB", "queue": "long"}, None, {"cpus": "2", "queue": None}
    )
    assert (found.cpus, found.memory, found.queue) == (2, 1 << 30, None)


def test_an_unknown_resource_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ResourceError, match=r"unknown resource 'memry'; did you mean 'memory'"):
        Resources.parse({"memry": "1GB"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cpus", 0), ("cpus", -1), ("cpus", 1.5), ("cpus", True), ("cpus", "two"), ("cpus", []),
        ("gpus", -1), ("gpus", "inf"), ("nodes", 0),
        ("queue", "long; rm -rf /"), ("queue", "a b"), ("queue", ""), ("queue", "x\ny"),
        ("queue", "$(id)"), ("queue", "`id`"), ("queue", "a'b"), ("queue", 'a"b'), ("queue", 7),
        ("account", "x\n#SBATCH --uid=0"), ("qos", "\\"), ("constraint", "a\0b"),
        ("extra", "one\ntwo"), ("extra", [1]), ("extra", ["\x1b[2J"]),
        ("extra", 5),
    ],
)  # fmt: skip
def test_values_that_no_scheduler_should_see_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ResourceError):
        Resources.parse({name: value})


@pytest.mark.parametrize("word", ["gpu&a100|v100", "long.q@host*", "[a1*2]", "x:y,z=3", "a#b%c"])
def test_words_of_schedulers_pass(word: str) -> None:
    assert Resources.parse({"constraint": word}).constraint == word


def test_walltime_of_an_element_is_its_jobs_together() -> None:
    assert Resources.parse({"walltime": "10m"}).for_element(6) == 3600
    both = Resources.parse({"walltime": "10m", "element_walltime": "2h"})
    assert both.for_element(100) == 7200
    assert Resources.parse({}).for_element(3) is None


def test_json_brings_the_same_resources_back() -> None:
    asked = {"walltime": "2h", "memory": "1GB", "gpus": 1, "queue": "q", "extra": ["--x=1", "-y"]}
    found = Resources.parse(asked)
    assert Resources.parse(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    ("default", "asked"), [({"cpus": 4}, {"cpus": 1}), ({"gpus": 1}, {"gpus": 0})]
)
def test_stored_resources_still_overrule_the_clusters_defaults(
    default: dict[str, Any], asked: dict[str, Any]
) -> None:
    stored = Resources.parse(default, asked).to_json()
    assert Resources.parse(default, stored) == Resources.parse(default, asked)
