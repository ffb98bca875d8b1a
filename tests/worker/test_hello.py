"""What a worker says of itself when it comes."""

from __future__ import annotations

import os

import pytest

from hpcbatch.words.door import Door
from hpcbatch.worker.entry_point import _hello

DOOR = Door(
    addresses=[],
    server_key="",
    client_key="",
    client_secret="",
    seed=0,
    folder="",
    code=(),
)


@pytest.mark.parametrize(
    ("variables", "array", "element"),
    [
        ({"SLURM_JOB_ID": "12", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}, "7", "3"),
        ({"SLURM_JOB_ID": "12"}, "12", ""),
        ({"LSB_JOBID": "12", "LSB_JOBINDEX": "4"}, "12", "4"),
        ({"PBS_JOBID": "12[5].head", "PBS_ARRAY_INDEX": "5"}, "12[5].head", "5"),
        ({"PBS_JOBID": "12[6].head", "PBS_ARRAYID": "6"}, "12[6].head", "6"),  # Torque
        ({"HPCBATCH_LOCAL_ID": "host:1:2", "HPCBATCH_LOCAL_INDEX": "0"}, "host:1:2", "0"),
        ({"JOB_ID": "12", "SGE_TASK_ID": "8"}, "12", "8"),
        ({}, "", ""),
    ],
)
def test_its_array_and_element_are_those_of_the_scheduler(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], array: str, element: str
) -> None:
    for name in list(os.environ):
        if name.startswith(("SLURM_", "LSB_", "PBS_", "HPCBATCH_LOCAL_", "JOB_ID", "SGE_")):
            monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    told = _hello(DOOR, [])
    assert (told["launch"], told["array"], told["element"]) == (0, array, element)
    told = _hello(DOOR, ["2", "9"])
    assert (told["launch"], told["element"]) == (2, "9")
    assert str(told["worker"]).startswith("2-9.")
