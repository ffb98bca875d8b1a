"""Elements and folds whose writes, syncs, renames and reads fail or fall short by chance."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from hpcbatch.words import events
from tests.conftest import IS_LONG
from tests.core import ROOT, Case

from .disks import done_records

NJOBS = 40
SEEDS = range(40 if IS_LONG else 2)
ELEMENT = """
import os, sys
sys.path.insert(0, sys.argv[1])
import cloudpickle, pickle, traceback
from hpcbatch.runner.element import main
from tests.faults.fiu import FAILING, READING, faults
seed, chance, folder, attempt, element = int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:]
with faults(seed, chance, FAILING + READING):
    status = main([folder, attempt, element])
os._exit(status)
"""
FOLD = """
import json, sys
sys.path.insert(0, sys.argv[1])
import filelock
from hpcbatch.registry import tracker
from hpcbatch.registry.registry import Registry
from hpcbatch.words.errors import HpcbatchError
from tests.faults.fiu import FAILING, READING, faults
seed, chance, root, task = int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:]
registry = Registry(root)
spec = registry.spec(task)
outcomes = []
for turn in range(20):
    try:
        with faults(seed * 100 + turn, chance, FAILING + READING):
            tracker.refresh(registry.layout(task), spec)
        outcomes.append("")
    except (HpcbatchError, OSError) as error:
        outcomes.append(f"{type(error).__name__}: {error}")
print(json.dumps(outcomes))
"""


def run(fiu_run: str, script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [fiu_run, "-x", "-f", "", sys.executable, "-c", script, str(ROOT)]
    return subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def value(x: int) -> str:
    return f"{x} " * (20 * x)


def case_of(elements: int) -> Case:
    def job(x: int) -> str:
        return f"{x} " * (20 * x)

    case = Case.of(job, range(NJOBS))
    case.submit(elements=elements)
    return case


def told(case: Case) -> set[int]:
    """The jobs that lie in segments as done."""
    return {
        event.job
        for name in case.segments()
        for event in case.events(name)
        if event.kind == events.DONE
    }


def finish(case: Case) -> None:
    """What is missing is submitted again and then all is right, once each."""
    states = case.states()
    stored = case.values()
    assert stored == {job: value(job) for job, state in enumerate(states) if state == "done"}
    missing = set(range(NJOBS)) - stored.keys()
    if missing:
        number = case.submit(missing)
        assert case.run(number) == 0, case.log(number)
    assert case.values() == {job: value(job) for job in range(NJOBS)}
    assert done_records(case.layout) == dict.fromkeys(range(NJOBS), 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_elements_whose_calls_fail_store_whole_results_or_none(fiu_run: str, seed: int) -> None:
    case = case_of(2)
    for element in range(2):
        ended = run(fiu_run, ELEMENT, 2 * seed + element, 0.02, case.layout.folder, 1, element)
        assert ended.returncode in (0, 1, 74), ended.stderr
    before = told(case)
    assert case.values().keys() >= before
    finish(case)


@pytest.mark.parametrize("seed", SEEDS)
def test_folds_whose_calls_fail_lose_nothing_and_repeat_nothing(fiu_run: str, seed: int) -> None:
    case = case_of(3)
    for element in range(3):
        assert case.run(1, element) == 0
    ended = run(fiu_run, FOLD, seed, 0.05, case.registry.root, case.task.id)
    assert ended.returncode == 0, ended.stderr
    outcomes = json.loads(ended.stdout)
    print(*outcomes, sep="\n")
    assert case.values() == {job: value(job) for job in range(NJOBS)}
    finish(case)
