"""The studies of ``examples``: submitted, cancelled, resumed and reported, on each cluster."""

from __future__ import annotations

import csv
import json
import re

import pytest

from .conftest import Place

CANCEL = "import hpcbatch as hb; hb.restore('last').cancel()"
ATTEMPTS = """
import json, hpcbatch as hb
jobs = hb.restore("last").jobs()
print(json.dumps({job.index: job.stats.attempt for job in jobs if job.state == "done"}))
"""

OWN_CLUSTER = [
    pytest.param("slurm", marks=pytest.mark.slurm),
    pytest.param("sge", marks=pytest.mark.sge),
]
STUDIES = {
    "slurm": ("digits_study.py", ["--tiny"], 8),
    "sge": ("bootstrap_study.py", ["--samples", "7"], 10),
}


@pytest.mark.slow
@pytest.mark.parametrize("cluster", OWN_CLUSTER)
def test_a_study_is_cancelled_and_resumed(with_sklearn: Place, cluster: str) -> None:
    folder, (study, small, rows) = cluster, STUDIES[cluster]

    def run(*arguments: str) -> str:
        return with_sklearn.run(*arguments, inside=folder)

    assert "total" in run(study, "submit", "--cluster", cluster, *small)
    run("-c", CANCEL)
    before = json.loads(run("-c", ATTEMPTS))
    resumed = run(study, "resume")
    found = re.search(r"Attempt 2 has the (\d+) unfinished jobs", resumed)
    assert int(found[1]) <= 8 - len(before) if found else "Every job has a result" in resumed
    told = run(study, "report", "--output", "out")
    after = json.loads(run("-c", ATTEMPTS))

    assert "100.0 %" in told
    assert len(after) == 8
    assert before.items() <= after.items(), "a job with a result was run again"
    with open(with_sklearn.folder / folder / "out.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == rows
    _check_picture(with_sklearn, folder, told)


def _check_picture(place: Place, folder: str, told: str) -> None:
    picture = place.folder / folder / "out.png"
    if "pip install matplotlib" in told:
        assert not picture.exists()
    else:
        assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.long
def test_bootstrap_samples_are_the_same_in_every_run(with_sklearn: Place) -> None:
    tables = []
    for output in ("first", "second"):
        submit = ("bootstrap_study.py", "submit", "--cluster", "local", "--samples", "3")
        with_sklearn.run(*submit, inside="sge")
        with_sklearn.run("bootstrap_study.py", "report", "--output", output, inside="sge")
        tables.append((with_sklearn.folder / "sge" / f"{output}.csv").read_text())
    assert tables[0] == tables[1]


PROGRAMS = {
    "slurm": ("sh ball.sh {dimension} {points} {seed}", "ball.csv", 27),
    "sge": ("sh walk.sh {steps} {seed}", "walk.csv", 10),
}


@pytest.mark.parametrize("cluster", ["local", *OWN_CLUSTER])
def test_a_program_runs_over_a_table(here: Place, cluster: str) -> None:
    folder = "sge" if cluster == "sge" else "slurm"
    command, inputs, njobs = PROGRAMS[folder]
    asked = ("map", "--shell", command, "--args-file", inputs, "--cluster", cluster, "--seed", "1")
    here.hpcbatch(*asked, "--chunk", "5", "--wait", inside=folder)
    lines = here.hpcbatch("collect", "last").splitlines()
    first = json.loads(lines[0])["result"]["output"].split()

    assert len(lines) == njobs
    if inputs == "ball.csv":
        assert float(first[-1]) == pytest.approx(3.14, abs=0.3)  # the area of the unit circle
    else:
        assert float(first[-1]) == pytest.approx(10**0.5, rel=0.2)
