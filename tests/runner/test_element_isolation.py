"""What user code may do to its process, and what the other jobs must not notice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hpcbatch.disk.index import read_entries
from hpcbatch.registry.results import Results
from hpcbatch.use import job_logs
from tests.core import Case, everyone, run_script


def logs(case: Case) -> list[str]:
    njobs = case.task.spec.njobs
    return [job_logs.log(case.registry, case.task.id, job) for job in range(njobs)]


def test_the_log_of_a_job_is_exactly_what_it_printed() -> None:
    def job(k: int) -> None:
        import os
        import subprocess
        import sys

        print(f"out {k} é", end="!")
        print(f"err {k}", file=sys.stderr)
        subprocess.run(["echo", f"child {k}"], check=True)
        os.write(1, b"raw\n")
        if k == 1:
            raise ValueError

    case = Case.of(job, range(3))
    case.submit()
    assert case.run() == 1
    case.view()
    for k, text in enumerate(logs(case)):
        assert sorted(text) == sorted(f"out {k} é!err {k}\nchild {k}\nraw\n")
    assert "".join(logs(case)) == case.log()


def test_the_log_of_a_job_in_a_second_run_is_not_that_of_the_first() -> None:
    def job(k: int, marker: str) -> None:
        import os

        print(f"job {k} of run {1 + os.path.exists(marker)}")
        if k == 1 and not os.path.exists(marker):
            open(marker, "w").close()
            sys.stdout.flush()
            os._exit(1)

    marker = os.environ["HPCBATCH_LOCAL_SPOOL"] + "/marker"
    case = Case.of(job, range(2), const={"marker": marker})
    case.submit()
    assert case.run() == 1
    assert case.run() == 0
    case.view()
    assert logs(case)[1] == "job 1 of run 2\n"


@pytest.mark.parametrize("isolate", [False, True])
def test_what_a_killed_job_had_printed_is_in_its_log(isolate: bool) -> None:
    def job(k: int) -> None:
        import os
        import signal

        print(f"the last line of {k}")
        os.kill(os.getpid(), signal.SIGKILL)

    case = Case.of(job, range(1))
    case.submit(isolate=isolate)
    assert case.run(env={"PYTHONUNBUFFERED": ""}) != 0
    assert "the last line of 0\n" in case.log()


@pytest.mark.parametrize("isolate", [False, True])
def test_a_crash_is_told_in_the_log_and_in_no_file_of_the_job(
    isolate: bool, tmp_path: Path
) -> None:
    def job(path: str) -> None:
        import ctypes
        import os

        os.close(2)
        with open(path, "wb", buffering=0) as file:
            file.write(b"data")
            ctypes.string_at(0)

    case = Case.of(job, [str(tmp_path / "data")])
    case.submit(isolate=isolate)
    assert case.run() != 0
    assert (tmp_path / "data").read_bytes() == b"data"
    assert "Segmentation fault" in case.log()
    assert " in job" in case.log()


def test_what_a_job_does_to_its_streams_ends_with_it() -> None:
    def job(k: int) -> int:
        import io
        import sys

        print(f"job {k}")
        print(f"job {k}", file=sys.stderr)
        if k == 0:
            sys.stdout = io.StringIO()
            print("nowhere")
        elif k == 1:
            sys.stdout.close()
            sys.stderr.close()
        elif k == 2:
            sys.stdout = sys.stderr = None
        return k

    case = Case.of(job, range(5))
    case.submit()
    assert case.run() == 0
    case.view()
    assert case.values() == {k: k for k in range(5)}
    assert logs(case) == [f"job {k}\n" * 2 for k in range(5)]


def test_a_job_without_file_descriptor_1_harms_no_other() -> None:
    def job(k: int) -> int:
        import os

        if k == 0:
            os.close(1)
        return k

    case = Case.of(job, range(3))
    case.submit()
    assert case.run() in (0, 1)
    assert case.values() == {k: k for k in range(3)}


def test_every_job_begins_in_the_same_folder() -> None:
    def job(k: int) -> str:
        import os

        here = os.getcwd()
        os.chdir("/")
        return here

    case = Case.of(job, range(3))
    case.submit()
    assert case.run() == 0
    assert set(case.values().values()) == {os.path.realpath(case.registry.root)}


def test_a_job_in_a_folder_that_is_gone_still_has_a_result(tmp_path: Path) -> None:
    def job(k: int) -> int:
        import os

        os.mkdir(folder)
        os.chdir(folder)
        os.rmdir(folder)
        return k

    folder = str(tmp_path / "gone")
    case = Case.of(job, range(3))
    case.submit()
    assert case.run() == 0
    assert case.values() == {k: k for k in range(3)}


@pytest.mark.parametrize("how", ["return", "raise", "exit"])
def test_a_forked_child_that_comes_back_writes_nothing(how: str) -> None:
    def job(k: int) -> Any:
        import os

        pid = os.fork()
        if pid == 0:
            if how == "raise":
                raise ValueError("in the child")
            if how == "exit":
                sys.exit(3)
            return "child"
        os.waitpid(pid, 0)
        return "parent"

    case = Case.of(job, range(3))
    case.submit()
    assert case.run() == 0
    assert case.values() == dict.fromkeys(range(3), "parent")
    entries = read_entries(case.layout.index, everyone(3))
    with Results(case.layout) as results:
        assert len({results.process(entry)[2] for entry in entries.values()}) == 1


def test_a_forked_child_that_exits_keeps_its_exit_status() -> None:
    def job(k: int) -> int:
        import os

        pid = os.fork()
        if pid == 0:
            sys.exit(3)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    case = Case.of(job, range(1))
    case.submit()
    assert case.run() == 0
    assert case.values() == {0: 3}


def test_forked_children_die_of_sigterm_and_never_write_our_records() -> None:
    def job(k: int) -> dict[int, int]:
        import os
        import signal
        import time

        ends: dict[int, int] = {}
        for _ in range(40):
            pid = os.fork()
            if pid == 0:
                time.sleep(600)
            os.kill(pid, signal.SIGTERM)
            give_up = time.monotonic() + 1
            while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
                if time.monotonic() > give_up:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.0005)
            end = os.waitstatus_to_exitcode(ended[1])
            ends[end] = ends.get(end, 0) + 1
            if end != -15:
                break
        return ends

    case = Case.of(job, range(2))
    case.submit()
    assert case.run() == 0
    assert case.values() == {0: {-15: 40}, 1: {-15: 40}}
    assert case.states() == ["done", "done"]


MULTI = """
import sys
import hpcbatch as hb
import helpers
task = hb.create(helpers.spread, [1, 2], method=["fork", "spawn"])
print(task.id)
"""

HELPERS = """
import multiprocessing

def square(x):
    return x * x

def put(queue, x):
    queue.put(x * x)

def spread(k, method):
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        squares = pool.map(square, range(k, k + 4))
    queue = context.Queue()
    process = context.Process(target=put, args=(queue, k))
    process.start()
    alone = queue.get(timeout=60)
    process.join()
    return squares, alone, process.exitcode
"""


def test_multiprocessing_inside_a_job_by_fork_and_by_spawn(tmp_path: Path) -> None:
    import hpcbatch as hb

    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "helpers.py").write_text(HELPERS)
    made = run_script(folder, MULTI)
    assert made.returncode == 0, made.stderr
    case = Case(hb.restore(made.stdout.strip()))
    case.submit()
    assert case.run() == 0, case.log()
    assert case.values() == {0: ([1, 4, 9, 16], 1, 0), 1: ([4, 9, 16, 25], 4, 0)}


def test_random_numbers_depend_on_seed_and_job_alone() -> None:
    def job(k: int) -> Any:
        import random

        numbers = [random.random() for _ in range(2)]
        import numpy  # imported by the first job of each element only

        return numbers, numpy.random.random(2).tolist(), int(numpy.random.randint(1 << 30))

    found = []
    for seed, elements in ((10, 1), (10, 4), (11, 2)):
        case = Case.of(job, range(4), seed=seed)
        case.submit(elements=elements)
        assert [case.run(1, element) for element in range(elements)] == [0] * elements
        found.append(case.values())
    assert found[0] == found[1]
    assert all(found[0][k] != found[2][k] for k in range(4))
    assert len({str(value) for value in found[0].values()}) == 4


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_an_element_costs_few_system_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # without modules of ours that would travel along
    case = Case.of(abs, range(3))
    case.submit()
    counts = tmp_path / "counts"
    command = ["strace", "-f", "-c", "-o", str(counts), *case.command(1, 0)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if "ptrace" in ended.stderr:
        pytest.skip("this host lets nobody trace")
    assert ended.returncode == 0, ended.stderr
    total = next(line for line in counts.read_text().splitlines() if line.endswith("total"))
    assert int(total.split()[3]) < 1500
    assert case.values() == {k: k for k in range(3)}
