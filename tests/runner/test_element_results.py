"""Elements run by the real runner file: what every kind of ending leaves behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hpcbatch.disk.index import read_entries
from hpcbatch.runner import bundle
from hpcbatch.runner.segment import ASIDE
from hpcbatch.words import events
from tests.core import Case, everyone


def test_results_come_back_in_any_chunking(own_registry: Path) -> None:
    def power(x: int, y: int, *, base: int) -> tuple[int, str]:
        return base + x**y, "text"

    for elements in (1, 3):
        case = Case.of(power, range(7), y=range(7), const={"base": 10})
        case.submit(elements=elements)
        assert [case.run(1, element) for element in range(elements)] == [0] * elements
        assert case.values() == {x: (10 + x**x, "text") for x in range(7)}
        assert case.states() == ["done"] * 7
        assert case.segments() == []
    assert len([name for name in os.listdir(own_registry) if name.endswith(".pyz")]) == 1


def test_what_a_job_cost_is_known() -> None:
    def work() -> int:
        import time

        block = bytearray(120 << 20)
        end = time.process_time() + 0.15
        while time.process_time() < end:
            pass
        return len(block)

    case = Case.of(lambda x: work(), [1])
    case.submit()
    assert case.run() == 0
    case.view()
    entry = read_entries(case.layout.index, everyone(1))[0]
    assert 0.1 <= entry.cpu < 20
    assert 0.1 <= entry.ended - entry.started < 20
    assert entry.memory > 120 << 20


def raising(what: str) -> Callable[[int], Any]:
    def job(k: int) -> Any:
        class Local(Exception):
            def __init__(self, one: object, two: object):
                super().__init__("needs two")
                self.lock = __import__("threading").Lock()

        class Mute(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no message")

        class Numb(Exception):
            def __str__(self) -> str:
                return 5  # type: ignore[return-value]

        if k == 0:
            return "before"
        if k == 2:
            return "after"
        if what == "plain":
            raise ValueError("seven is bad\nand so on é 漢 \udcff")
        if what == "unpicklable":
            raise Local(1, 2)
        if what == "mute":
            raise Mute
        if what == "numb":
            raise Numb
        if what == "exit":
            sys.exit("bye")
        if what == "interrupt":
            raise KeyboardInterrupt
        if what == "generator":
            raise GeneratorExit("odd")
        if what == "group":
            raise BaseExceptionGroup("many", [ValueError("a"), KeyError("b")])  # noqa: F821
        if what == "recursion":
            return job_forever(0)
        if what == "chained":
            try:
                raise KeyError("cause")
            except KeyError as error:
                raise ValueError("effect") from error
        return None

    def job_forever(k: int) -> int:
        return job_forever(k + 1)

    return job


@pytest.mark.parametrize(
    ("what", "kind", "message", "trace"),
    [
        ("plain", "ValueError", "seven is bad\nand so on é 漢 \\udcff", "in job"),
        ("unpicklable", "Local", "needs two", "Local"),
        ("mute", "Mute", "(its message cannot be shown: RuntimeError)", "Mute"),
        ("numb", "Numb", "(its message cannot be shown: TypeError)", "Numb"),
        ("exit", "SystemExit", "bye", "sys.exit"),
        ("interrupt", "KeyboardInterrupt", "", "KeyboardInterrupt"),
        ("generator", "GeneratorExit", "odd", "GeneratorExit"),
        ("recursion", "RecursionError", "maximum recursion depth exceeded", "job_forever"),
        ("chained", "ValueError", "effect", "KeyError: 'cause'"),
    ],
)
def test_an_exception_is_one_jobs_error(what: str, kind: str, message: str, trace: str) -> None:
    case = Case.of(raising(what), range(3))
    case.submit()
    assert case.run() == 1
    assert case.states() == ["done", "error", "done"]
    found = case.error(1)
    assert found[0] == kind
    assert found[1].startswith(message)
    assert trace in found[2]
    assert "hpcbatch" not in found[2].splitlines()[1], "the first frame is the user's"


def test_a_message_that_ends_the_process_is_still_one_jobs_error() -> None:
    def job(k: int) -> int:
        class Final(Exception):
            def __str__(self) -> str:
                raise SystemExit(3)

        if k == 1:
            raise Final
        return k

    case = Case.of(job, range(3))
    case.submit()
    assert case.run() == 1
    assert case.states() == ["done", "error", "done"]


def test_a_result_that_does_not_pickle_is_an_error_that_says_so() -> None:
    def job(k: int) -> Any:
        import threading

        class Bad:
            def __reduce__(self) -> Any:
                raise SystemError("never")

        return [k, threading.Lock(), Bad(), lambda: k][k]

    case = Case.of(job, range(4))
    case.submit()
    assert case.run() == 1
    assert case.states() == ["done", "error", "error", "done"]
    kind, message, _ = case.error(1)
    assert kind == "TypeError"
    assert message.startswith("the result (of type lock) cannot be pickled")
    assert case.error(2)[0] == "SystemError"
    assert case.values()[3]() == 3


@pytest.mark.parametrize(
    ("how", "status"), [("exit", 3), ("kill", -9), ("segfault", -11), ("abort", -6)]
)
def test_a_process_that_dies_leaves_the_results_before_it(how: str, status: int) -> None:
    def job(k: int) -> int:
        import ctypes
        import os
        import resource
        import signal

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if k == 2:
            if how == "exit":
                os._exit(3)
            elif how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            elif how == "abort":
                os.abort()
            ctypes.string_at(0)
        return k

    case = Case.of(job, range(4))
    case.submit()
    assert case.run() == status
    assert case.states() == ["done", "done", "running", "queued"]
    # the scheduler runs the element once more: only what is missing is begun
    assert case.run() == status
    rerun = next(name for name in case.segments() if name.count(".") > 1)
    begun = [event.job for event in case.events(rerun) if event.kind == events.STARTED]
    assert begun == [2]
    assert case.values() == {0: 0, 1: 1}


def test_a_rerun_runs_only_what_has_no_result() -> None:
    def job(k: int, marks: str) -> int:
        with open(f"{marks}/{k}", "a") as file:
            file.write("x")
        if k == 1:
            raise ValueError("always")
        return k

    case = Case.of(job, range(3), const={"marks": os.environ["HPCBATCH_LOCAL_SPOOL"]})
    case.submit()
    marks = Path(os.environ["HPCBATCH_LOCAL_SPOOL"])
    for folded, runs in ((False, 1), (False, 2), (True, 3)):
        if folded:
            case.view()
        assert case.run() == 1
        assert [(marks / str(k)).read_text() for k in range(3)] == ["x", "x" * runs, "x"]
    assert case.states() == ["done", "error", "done"]


def test_jobs_that_other_attempts_did_are_skipped() -> None:
    case = Case.of(abs, range(-4, 0))
    case.submit()
    case.submit([0, 1, 3], elements=1)
    assert case.run(1, 0) == 0
    case.view()
    assert case.run(2, 0) == 0
    told = [event.kind for name in case.segments() for event in case.events(name)]
    assert told == [events.HELLO, events.END]
    assert case.values() == {0: 4, 1: 3, 2: 2, 3: 1}


def test_a_huge_result_goes_aside_and_is_never_copied() -> None:
    case = Case.of(lambda k: bytes([k]) * (ASIDE + k), range(3))
    case.submit()
    assert case.run() == 0
    values = case.values()
    assert {k: (len(value), set(value)) for k, value in values.items()} == {
        k: (ASIDE + k, {k}) for k in range(3)
    }
    assert os.path.getsize(case.layout.results) < 5000
    (name,) = os.listdir(case.layout.values)
    assert os.path.getsize(f"{case.layout.values}/{name}") < 3.1 * ASIDE


def test_huge_results_of_an_element_that_runs_again_after_a_fold() -> None:
    def job(k: int, marker: str) -> bytes:
        import os
        import signal

        if k == 1 and not os.path.exists(marker):
            with open(marker, "w"):
                os.kill(os.getpid(), signal.SIGTERM)
        return bytes([k]) * (2 << 20)

    marker = os.environ["HPCBATCH_LOCAL_SPOOL"] + "/marker"
    case = Case.of(job, range(3), const={"marker": marker})
    case.submit()
    assert case.run() == 143
    assert case.states() == ["done", "queued", "queued"]
    assert case.segments() == []
    assert case.run() == 0
    assert {k: value[:1] for k, value in case.values().items()} == {k: bytes([k]) for k in range(3)}


def test_side_files_that_are_damaged_or_gone_are_named() -> None:
    from hpcbatch.words.errors import JobError

    case = Case.of(lambda k: bytes(ASIDE + 1), range(2))
    case.submit()
    assert case.run() == 0
    (name,) = os.listdir(case.layout.values)
    path = Path(case.layout.values, name)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    first, second = case.task.collect(on_error="return")
    assert isinstance(first, JobError)
    assert name in str(first)
    assert len(second) == ASIDE + 1
    path.unlink()
    assert name in str(case.task.collect(on_error="return")[1])


@pytest.mark.parametrize("cut", [0, 10, -1])
def test_a_damaged_function_is_every_jobs_error_and_named(cut: int) -> None:
    case = Case.of(abs, range(2))
    case.submit()
    path = Path(case.layout.function)
    path.write_bytes(path.read_bytes()[:cut])
    assert case.run() == 1
    assert case.states() == ["error", "error"]
    assert "function.pkl is damaged" in case.error(1)[1]
    assert cut or "create the task anew" in case.error(1)[1]


def test_a_damaged_input_is_named_and_the_other_jobs_run() -> None:
    case = Case.of(lambda text: len(text), ["zero", "first", "second"])
    case.submit()
    path = Path(case.layout.inputs)
    content = bytearray(path.read_bytes())
    content[content.index(b"first")] ^= 1
    path.write_bytes(content)
    status = case.run()
    assert "inputs.rec is damaged" in case.log() or "inputs.rec is damaged" in case.error(1)[1]
    assert status == 1
    assert case.states() == ["done", "error", "done"]


def test_inputs_that_are_cut_off_are_named() -> None:
    case = Case.of(abs, range(3))
    case.submit()
    os.truncate(case.layout.inputs, 30)
    assert case.run() != 0
    assert "inputs.rec is damaged" in case.log()
    assert "done" not in case.states()


PYTHONS = [
    path
    for path in sorted(Path.home().glob(".pyenv/versions/*/bin/python"))
    if f"/{sys.version_info[0]}.{sys.version_info[1]}." not in str(path)
]


@pytest.mark.skipif(not PYTHONS, reason="no other Python is installed here")
def test_another_minor_version_says_so_plainly() -> None:
    case = Case.of(abs, [1])
    case.submit()
    for number, python in enumerate(PYTHONS):
        assert case.run(1, number, python=str(python)) == 78
        told = case.log(1, number)
        assert "made with Python {}.{}".format(*sys.version_info[:2]) in told
        assert str(python.parent) in told
        assert "Traceback" not in told
    assert case.segments() == []


def test_the_runner_file_is_made_once_and_holds_cloudpickle(
    own_registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zipfile

    own_registry.mkdir()
    first = bundle.ensure_runner(str(own_registry))
    assert bundle.ensure_runner(str(own_registry)) == first
    names = zipfile.ZipFile(first).namelist()
    assert "cloudpickle/__init__.pyc" in names
    assert "__main__.py" in names
    monkeypatch.setattr(bundle, "_boot", lambda entry: b"another")
    assert bundle.ensure_runner(str(own_registry)) != first


def test_the_users_own_hpcbatch_stays_importable_and_ours_is_apart() -> None:
    def job(k: int) -> list[str]:
        import hpcbatch

        return [hpcbatch.__file__, *sorted(n for n in sys.modules if n.startswith("hpcbatch_on"))]

    case = Case.of(job, [1])
    case.submit()
    assert case.run(env={"PYTHONPATH": str(Path(__file__).parents[2])}) == 0
    file, *ours = case.values()[0]
    assert file.endswith("hpcbatch/__init__.py")
    assert "hpcbatch_on_node.runner.element" in ours


def test_a_job_finds_no_arguments_of_ours() -> None:
    case = Case.of(lambda k: sys.argv[1:], [1])
    case.submit()
    assert case.run() == 0
    assert case.values() == {0: []}
