"""Callables that go on where they were."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hpcbatch.runner.calls import JobCalls
from tests.core import Case, eventually
from tests.local import Local, by_value, states

pytestmark = pytest.mark.filterwarnings("ignore::hpcbatch.CodeWarning")

STEPS = 3  # that a job needs; it makes one in an attempt, and is then told to leave


def counting(folder: str, style: str = "") -> Any:
    """Each call makes one step, notes it, and waits to be ended, until all steps are made."""

    class Counting:
        def __init__(self) -> None:
            self.steps = 0

        def __call__(self, k: int) -> list[int]:
            import time

            if self.steps < STEPS - 1:
                self.steps += 1
                with open(f"{folder}/steps", "a") as file:
                    file.write(f"{k}:{self.steps}\n")
                while True:
                    time.sleep(0.05)
            return [k, self.steps]

        def checkpoint(self) -> Any:
            import sys
            import time

            if style == "raises":
                raise ValueError("no checkpoint today")
            if style == "exits":
                sys.exit("no checkpoint either")
            if style == "hangs":
                open(f"{folder}/hangs", "w").close()
                while True:
                    time.sleep(0.05)
            if style == "unpicklable":
                return lambda: open("/dev/null")
            if style == "not even so":
                return (line for line in "abc")
            if style == "another":
                steps = self.steps

                def go_on(k: int) -> list[Any]:
                    return [k, "another", steps]

                return go_on
            return None

    by_value(Counting)
    return Counting()


def steps(folder: Path) -> list[str]:
    path = folder / "steps"
    return path.read_text().split() if path.exists() else []


def checkpoints(case: Case) -> list[str]:
    folder = Path(case.layout.checkpoint(0, "function.pkl")).parent
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def submit(case: Case, **orders: Any) -> int:
    case.view()  # what is done is folded first, as ever
    return case.submit(**orders)


def leave_once(case: Case, folder: Path, whom: str = "element", **orders: Any) -> None:
    """Run an attempt until its job has made a step, and then ask it to leave."""
    attempt = submit(case, **orders)
    made = len(steps(folder))
    with case.element(attempt, start_new_session=True) as element:
        eventually(lambda: len(steps(folder)) > made, "a step")
        (os.killpg if whom == "group" else os.kill)(element.pid, signal.SIGTERM)
        assert element.wait(30) == 143


@pytest.mark.parametrize(
    ("whom", "isolate"), [("group", False), ("element", True), ("group", True)]
)
def test_a_job_goes_on_in_its_next_attempt(tmp_path: Path, isolate: bool, whom: str) -> None:
    case = Case.of(counting(str(tmp_path)), range(2))
    for job in (0, 0, 1, 1):
        leave_once(case, tmp_path, whom, isolate=isolate)
        assert checkpoints(case) == [f"{job}.pkl"]
    assert case.run(submit(case, isolate=isolate)) == 0
    assert steps(tmp_path) == ["0:1", "0:2", "1:1", "1:2"]
    assert case.values() == {k: [k, STEPS - 1] for k in range(2)}
    assert checkpoints(case) == []


@pytest.mark.parametrize("isolate", [False, True])
def test_each_job_has_a_state_of_its_own(tmp_path: Path, isolate: bool) -> None:
    case = Case.of(counting(str(tmp_path)), range(2))
    leave_once(case, tmp_path, isolate=isolate, jobs=[1])
    leave_once(case, tmp_path, isolate=isolate)
    assert checkpoints(case) == ["0.pkl", "1.pkl"]
    for _ in range(2):
        leave_once(case, tmp_path, isolate=isolate)
    assert case.run(submit(case, isolate=isolate)) == 0
    assert sorted(steps(tmp_path)) == ["0:1", "0:2", "1:1", "1:2"]
    assert checkpoints(case) == []


@pytest.mark.parametrize("isolate", [False, True])
def test_another_callable_may_go_on_and_no_other_job_gets_it(tmp_path: Path, isolate: bool) -> None:
    case = Case.of(counting(str(tmp_path), "another"), range(2))
    leave_once(case, tmp_path, isolate=isolate)
    attempt = submit(case, isolate=isolate)
    with case.element(attempt, start_new_session=True) as element:
        eventually(lambda: steps(tmp_path) == ["0:1", "1:1"], "the second job to begin anew")
        element.terminate()
        assert element.wait(30) == 143
    assert checkpoints(case) == ["1.pkl"]
    assert case.run(submit(case, isolate=isolate)) == 0
    assert case.values() == {k: [k, "another", 1] for k in range(2)}
    assert checkpoints(case) == []


@pytest.mark.parametrize(
    ("style", "isolate"),
    [("raises", False), ("exits", False), ("exits", True), ("not even so", True)],
)
def test_a_checkpoint_that_fails_is_told_and_the_job_begins_anew(
    tmp_path: Path, style: str, isolate: bool
) -> None:
    case = Case.of(counting(str(tmp_path), style), range(1))
    leave_once(case, tmp_path, isolate=isolate)
    assert "no checkpoint was stored" in case.log()
    assert checkpoints(case) == []
    assert case.states() == ["queued"]
    leave_once(case, tmp_path, isolate=isolate)
    assert steps(tmp_path) == ["0:1", "0:1"]


def test_a_checkpoint_that_hangs_keeps_nobody_from_knowing(local: Local) -> None:
    task = local.create(counting(str(local.folder), "hangs"), range(2))
    task.submit("local", chunk=2, resources={"extra": ["--kill-wait=0.5"]})
    eventually(lambda: steps(local.folder), "the first step")
    os.kill(leader(local, task), signal.SIGTERM)
    eventually((local.folder / "hangs").exists, "the checkpoint to hang")
    assert task.status().running + task.status().queued == 2
    task.cancel()
    local.ended(task)
    assert states(task) == ["canceled", "canceled"]


def leader(local: Local, task: Any) -> int:
    """The pid of the only process that runs jobs."""
    (segment,) = local.view(task).snapshot.segments.values()
    return segment.pid


@pytest.mark.slow
@pytest.mark.parametrize("isolate", [False, True])
def test_a_checkpoint_is_asked_for_ahead_of_the_walltime(local: Local, isolate: bool) -> None:
    task = local.create(counting(str(local.folder)), range(2))
    status = local.run(task, chunk=1, isolate=isolate, retries=3, resources={"element_walltime": 5})
    assert status.done == 2
    assert task.collect() == [[k, STEPS - 1] for k in range(2)]
    assert sorted(steps(local.folder)) == ["0:1", "0:2", "1:1", "1:2"]
    assert len(local.attempts(task)) >= STEPS
    told = [ending for by in local.view(task).snapshot.endings.values() for ending in by.values()]
    assert {ending.reason for ending in told} == {"timeout"}


def test_a_checkpoint_is_asked_for_where_a_job_takes_too_long(local: Local) -> None:
    task = local.create(counting(str(local.folder)), range(1))
    status = local.run(task, retries=3, retry_on={"timeout"}, job_timeout="1s")
    assert status.done == 1
    assert task.collect() == [[0, STEPS - 1]]
    assert steps(local.folder) == ["0:1", "0:2"]


def test_a_damaged_checkpoint_is_an_error_that_says_so(tmp_path: Path) -> None:
    case = Case.of(counting(str(tmp_path)), range(1))
    leave_once(case, tmp_path)
    Path(case.layout.checkpoint(0, "function.pkl")).write_bytes(b"")
    assert case.run(submit(case)) == 1
    assert case.error(0)[0] == "EOFError"


def test_a_job_that_fails_keeps_its_checkpoint(tmp_path: Path) -> None:
    folder = str(tmp_path)

    class Failing:
        step = 0

        def __call__(self, k: int) -> int:
            import os
            import time

            if self.step and not os.path.exists(f"{folder}/mended"):
                raise ValueError(self.step)
            self.step += 1
            if self.step == 1:
                with open(f"{folder}/steps", "a") as file:
                    file.write("x\n")
                while True:
                    time.sleep(0.05)
            return self.step

        def checkpoint(self) -> None:
            self.step = self.step

    by_value(Failing)
    case = Case.of(Failing(), range(1))
    leave_once(case, tmp_path)
    assert case.run(submit(case)) == 1
    assert case.error(0)[:2] == ("ValueError", "1")
    (tmp_path / "mended").touch()
    assert case.run(submit(case)) == 0
    assert case.values() == {0: 2}


def test_a_job_whose_result_is_lost_keeps_its_checkpoint(tmp_path: Path) -> None:
    folder = str(tmp_path)

    class Costly:
        step = 0

        def __call__(self, k: int) -> Any:
            import os
            import time

            self.step += 1
            if self.step == 1:
                with open(f"{folder}/steps", "a") as file:
                    file.write("x\n")
                while True:
                    time.sleep(0.05)
            return self.step if os.path.exists(f"{folder}/mended") else (k for k in "abc")

        def checkpoint(self) -> None:
            self.step = self.step

    by_value(Costly)
    case = Case.of(Costly(), range(1))
    leave_once(case, tmp_path)
    checkpoint = Path(case.layout.checkpoint(0, "function.pkl"))
    assert case.run(submit(case)) == 1
    assert "cannot be pickled" in case.error(0)[1]
    assert checkpoint.exists()
    (tmp_path / "mended").touch()
    assert case.run(submit(case)) == 0
    assert case.values() == {0: 2}
    assert not checkpoint.exists()


def test_a_job_that_is_asked_to_leave_before_its_callable_is_there_stores_none(
    tmp_path: Path,
) -> None:
    gate = str(tmp_path / "loading")

    class Slow:
        def __init__(self) -> None:
            self.value = -1

        def __setstate__(self, state: dict[str, Any]) -> None:
            import os
            import time

            self.__dict__ = state
            if os.path.exists(f"{gate}.done"):  # the second job's
                open(gate, "w").close()
                time.sleep(30)

        def __call__(self, k: int) -> int:
            self.value = k if self.value < 0 else self.value
            open(f"{gate}.done", "w").close()
            return self.value

        def checkpoint(self) -> None:
            pass

    by_value(Slow)
    case = Case.of(Slow(), range(2))
    submit(case)
    with case.element() as element:
        eventually(lambda: os.path.exists(gate), "the second job to load")
        element.send_signal(signal.SIGTERM)
        assert element.wait(30) == 143
    os.unlink(f"{gate}.done")
    assert case.run(submit(case)) == 0
    assert case.values() == {0: 0, 1: 1}


def test_a_checkpoint_stays_where_the_result_finds_no_room() -> None:
    def flush() -> None:
        raise OSError("no space left")

    forgotten: list[int] = []
    calls = JobCalls.__new__(JobCalls)
    calls._call = SimpleNamespace(has_checkpoint=True, forget_checkpoint=forgotten.append)  # type: ignore[assignment]
    with pytest.raises(OSError, match="no space"):
        calls.finished(0, SimpleNamespace(flush=flush))  # type: ignore[arg-type]
    assert forgotten == []
    calls.finished(1, SimpleNamespace(flush=lambda: None))  # type: ignore[arg-type]
    assert forgotten == [1]
