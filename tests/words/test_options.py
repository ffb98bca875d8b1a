"""How to run, as it was asked for: what is refused, and what a later attempt takes over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hpcbatch.words.errors import ResourceError, UsageError
from hpcbatch.words.options import SubmitOptions


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        *(("chunk", value, "chunk") for value in (0, -1, 1.5, "10", True, "all")),
        *(("throttle", value, "throttle") for value in (0, -1, 1.5, "2", True)),
        *(("retries", value, "retries") for value in (-1, 1.5, "2", True)),
        ("cluster", 5, "cluster 5 is no text"),
        ("resources", 5, "is no table"),
        ("resources", {"memroy": "1GB"}, "did you mean 'memory'"),
        ("isolate", 1, "neither True nor False"),
        ("job_timeout", "soon", "job_timeout 'soon' is not understood"),
        ("retry_on", "timout", "did you mean 'timeout'"),
        ("retry_on", 3, "no list of reasons"),
        ("retry_scale", {"cpus": 2}, "'cpus' does not grow"),
        ("retry_scale", {"memory": 0.5}, "is not 1 to 1000"),
        ("retry_scale", 2, "no table"),
        ("after", 7, "neither a task nor a task's id"),
        ("notify", " ", "notify"),
        ("env", "A=1", "env: 'A=1' is no table"),
        ("env", {"A-B": "1"}, "env: 'A-B' is no name of an environment variable"),
        ("env", {1: "1"}, "env: 1 is no name"),
        ("env", {"A": 0.1}, "env: A: 0.1 is no text"),
        ("env", {"A": None}, "env: A: None is no text"),
        ("env", {"A": True}, "env: A: True is no text"),
    ],
)
def test_refused(name: str, value: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        SubmitOptions(**{name: value})


def test_read() -> None:
    options = SubmitOptions(job_timeout="2m", retry_on={"timeout", "killed"}, after="3f9a12c4__x")
    assert options.job_timeout == 120
    assert options.retry_on == ("timeout", "killed")
    assert options.after == ("3f9a12c4__x",)
    assert SubmitOptions(env={"N": 4, "P": Path("/p")}).env == {"N": "4", "P": "/p"}


def test_json_and_back() -> None:
    options = SubmitOptions(
        "slurm", {"memory": "1GB"}, 5, 2, True, 60, 1, ("lost",), {"memory": 2}, env={"A": ""}
    )
    assert SubmitOptions(**options.to_json(), resources={"memory": "1GB"}) == options


def test_over_the_last_ones() -> None:
    last = SubmitOptions("slurm", {"memory": "1GB", "cpus": 2}, 5, 2, retries=1, after="a")
    here = SubmitOptions(resources={"memory": "2GB"}).over(last, same_cluster=True)
    assert here == SubmitOptions("slurm", {"memory": "2GB", "cpus": 2}, 5, 2, retries=1)
    there = SubmitOptions("sge", chunk=1).over(last, same_cluster=False)
    assert there == SubmitOptions("sge", chunk=1, retries=1)


@pytest.mark.parametrize("same_cluster", [True, False])
def test_variables_over_the_last_ones(same_cluster: bool) -> None:
    last = SubmitOptions("slurm", env={"A": "1", "B": "2"})
    assert SubmitOptions(env={"B": "3"}).over(last, same_cluster).env == {"A": "1", "B": "3"}


def test_a_resource_error_is_a_usage_error() -> None:
    with pytest.raises(ResourceError):
        SubmitOptions(chunk=0)


def test_without_retries_what_is_about_them_is_not_taken_over() -> None:
    odd = SubmitOptions(retries=0, retry_on=("killed",), retry_scale={"memory": 2.0})
    for asked in (SubmitOptions(), SubmitOptions(retries=0)):
        made = asked.over(odd, same_cluster=True)
        made.check_retries()
        assert (made.retries, made.retry_on, made.retry_scale) == (0, None, None)
    assert SubmitOptions(retries=2).over(odd, same_cluster=True).retry_on == ("killed",)
