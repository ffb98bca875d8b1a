"""What a script asks for, and the words that a scheduler gets to hear."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpcbatch.cluster.orders import ArrayOrder, ScriptOrder
from hpcbatch.cluster.scripts import render
from hpcbatch.drmaa_front.directives import Directives, parse
from hpcbatch.drmaa_front.systems import UNKNOWN, cell, native_specification, system
from hpcbatch.words.errors import ResourceError, SubmissionRejected
from hpcbatch.words.resources import Resources

from .conftest import script

SGE = "SGE 8.1.9"


def test_directives_are_read() -> None:
    lines = ["# a title", "#DRMAA --walltime=60 --memory=4096 --cpus=2", "#DRMAA --after=a-1,b.2"]
    asked = parse(script("x-1", 5, *lines, "#NATIVE -l a=1 ", "#NATIVE -m 'n'").encode())
    assert asked == Directives(
        "x-1", 5, None, 60, 4096, 2, after=("a-1", "b.2"), native=("-l a=1", "-m 'n'")
    )


def test_lines_below_the_first_command_are_none() -> None:
    assert parse(script("x", body="true\n#DRMAA --name=evil").encode()).name == "x"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no script"),
        ("#!/bin/bash\ntrue", "no line #DRMAA --name"),
        (script("../up"), "--name wants letters"),
        (script(".hidden"), "--name wants letters"),
        (script("x", 0), "--elements wants a whole number"),
        (script("x", 1, "#DRMAA --memory=4G"), "--memory wants a whole number of bytes, not '4G'"),
        (script("x", 1, "#DRMAA --memry=4"), "did you mean 'memory'"),
        (script("x", 1, "#DRMAA memory=4"), "is no directive"),
        (script("x", 1, "#DRMAA --queue='a"), "cannot read the directive"),
        (script("x", 1, "#DRMAA --after=a,"), "--after wants names"),
    ],
)
def test_wrong_scripts_are_refused(text: str, words: str) -> None:
    with pytest.raises(SubmissionRejected, match=words):
        parse(text.encode())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, ""),
        ({"throttle": 4}, "-tc 4"),
        ({"walltime": 90}, "-l h_rt=90"),
        ({"memory": 4097}, "-l h_vmem=5K"),
        ({"memory": 4097, "cpus": 2}, "-l h_vmem=3K -pe smp 2"),
        ({"gpus": 1, "queue": "all.q@*", "account": "me"}, "-l gpu=1 -q 'all.q@*' -A me"),
        ({"constraint": "arch=x", "after": ("a", "b")}, "-l arch=x -hold_jid a,b"),
        ({"queue": "a", "native": ("-q b", "-p 1")}, "-q a -q b -p 1"),
    ],
)
def test_words_of_grid_engine(asked: dict[str, Any], words: str) -> None:
    assert native_specification(Directives("x", 9, **asked), SGE) == f"-w n -r n {words}".strip()


@pytest.mark.parametrize("drms", [SGE, "GE 6.2u5", "OGS/GE 2011.11p1", "UGE 8.6.4", "N1GE6"])
def test_grid_engines_are_known(drms: str) -> None:
    assert system(drms) is not UNKNOWN


@pytest.mark.parametrize("drms", ["SLURM 22.05", "PBS Pro", "IBM Spectrum LSF 10.1", "GEneric", ""])
def test_others_are_not(drms: str) -> None:
    assert system(drms) is UNKNOWN


@pytest.mark.parametrize(
    ("field", "value"),
    [("throttle", 2), ("memory", 1), ("cpus", 2), ("gpus", 1), ("queue", "q"), ("after", ("a",))],
)
def test_words_that_nobody_knows_are_refused(field: str, value: Any) -> None:
    said = f"(?s){field}=.*words of SLURM 22.05 are not known.*'extra'.*block 'requests'"
    with pytest.raises(SubmissionRejected, match=said):
        native_specification(Directives("x", **{field: value}), "SLURM 22.05")


def test_the_users_own_words_pass_anywhere() -> None:
    asked = Directives("x", walltime=60, native=("--mem=4G",))
    assert native_specification(asked, "SLURM 22.05", without=("walltime",)) == "--mem=4G"


def test_cells_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SGE_ROOT", "/opt/sge")
    monkeypatch.delenv("SGE_CELL", raising=False)
    plain = cell(SGE)
    monkeypatch.setenv("SGE_CELL", "default")
    assert cell("SGE 8.2.0") == plain
    monkeypatch.setenv("SGE_CELL", "other")
    assert cell(SGE) != plain
    assert cell("SLURM 22.05") == "SLURM"


SITES_OWN = """{% extends "drmaa.sh.j2" %}
{% block requests %}
{% if resources.memory %}
#NATIVE -l mem_free={{ resources.memory | megabytes }}M
{% endif %}
{% endblock %}
"""


def test_a_site_has_its_own_words(tmp_path: Path) -> None:
    template = tmp_path / "site.sh.j2"
    template.write_text(SITES_OWN)
    order = ScriptOrder(
        title="own",
        array=ArrayOrder("own-1", 0, 3, 1),
        resources=Resources.parse({"memory": "2GB", "extra": ["-p 1"]}),
        **{"walltime": 60, "throttle": None, "after": (), "env": {}, "setup": ()},
        **{"folder": "/", "log_prefix": "/tmp/l-", "python": "python3", "attempt": 1},
        runner="/r.pyz",
        task="/t",
    )
    asked = parse(render(str(template), order).encode())
    assert asked == Directives("own-1", 3, walltime=60, native=("-l mem_free=2048M", "-p 1"))
    with pytest.raises(ResourceError, match="cpus=2 was asked for"):
        render(str(template), replace(order, resources=Resources.parse({"cpus": 2})))
