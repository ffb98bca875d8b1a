"""Jobs that are command lines, run by the real /bin/sh."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hpcbatch.disk.index import read_entries
from hpcbatch.handles.task import Task
from hpcbatch.runner.program import ShellProgram
from hpcbatch.sites.here import Here
from hpcbatch.use.create import draft_program
from hpcbatch.words.errors import InputError
from tests.conftest import HOSTILE_NAMES
from tests.core import Case, eventually, everyone
from tests.local import Local, states

RUNS = """
import sys
from hpcbatch.runner.program import ProgramFailed, ShellProgram

print(ShellProgram("echo said")(), end=" ", file=sys.stderr)
try:
    ShellProgram("echo said; exit 3")()
except ProgramFailed as error:
    print(error, end="", file=sys.stderr)
"""


def program(
    command: str, const: dict[str, Any] | None = None, isolate: bool = False, **named: Any
) -> Case:
    here = Here()
    spec = here.create(draft_program(command, named, const, None, 7))
    case = Case(Task(here, spec.id))
    case.submit(isolate=isolate)
    return case


def outputs(case: Case) -> list[str]:
    assert case.run() == 0, case.log()
    values = case.task.collect()
    assert all(value["status"] == 0 for value in values)
    return [value["output"] for value in values]


def test_hostile_values_reach_the_program_unharmed(tmp_path: Path) -> None:
    values = [*HOSTILE_NAMES, "", "*", "~", "$HOME", "a'b\"c", "{x}", "-e", "\\n", "!", "#"]
    case = program("printf %s {x}", x=values)
    assert outputs(case) == values
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if name == "pwned"]


def test_places_take_numbers_attributes_and_formats() -> None:
    assert outputs(program("echo {x:04d} {y[0]} {z.real}", x=[7], y=["ab"], z=[2])) == [
        "0007 a 2\n"
    ]
    assert outputs(program("echo {x!r}", x=["a b"])) == ["'a b'\n"]
    assert outputs(program("echo {{x}} {x}", x=[1])) == ["{x} 1\n"]


def test_pipes_and_constants_work_and_every_job_knows_its_index_and_seed() -> None:
    command = "echo {index} {x} {who} {seed} | tr a-z A-Z"
    first, second = outputs(program(command, x=["a", "b"], const={"who": "me"}))
    assert first.split()[:3] == ["0", "A", "ME"]
    assert second.split()[:3] == ["1", "B", "ME"]
    assert first.split()[3] != second.split()[3]
    assert outputs(program(command, x=["a", "b"], const={"who": "me"})) == [first, second]


@pytest.mark.parametrize(
    ("command", "named", "told"),
    [
        ("echo {y}", {"x": [1]}, r"names \{y\}, which is no input"),
        ("echo {valeu} {x}", {"x": [1], "value": [1]}, "did you mean 'value'"),
        ("echo", {"x": [1]}, "does not use the input 'x': write {x}"),
        ("echo {}", {"x": [1]}, "no input"),
        ("echo {0}", {"x": [1]}, "no input"),
        ("echo {x", {"x": [1]}, "plain braces"),
        ("echo }", {"x": [1]}, "plain braces"),
        ("awk {print} {x}", {"x": [1]}, r"names \{print\}, which is no input"),
    ],
)
def test_missing_and_extra_places_are_refused(
    command: str, named: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        draft_program(command, named, None, None, None)


@pytest.mark.parametrize("command", ["", "  "])
def test_an_empty_command_is_refused(command: str) -> None:
    with pytest.raises(InputError):
        draft_program(command, {}, None, None, None)


@pytest.mark.parametrize("command", ['printf %s "{x}"', "printf %s '{x}'", 'printf %s "a {x}"'])
def test_a_place_within_quotes_runs_nothing(command: str, tmp_path: Path) -> None:
    mark = tmp_path / "pwned"
    hostile = f"$(touch {mark})' ; touch {mark} ; '"
    try:
        case = program(command, x=[hostile])
    except InputError:
        return
    case.run()
    assert not mark.exists()


@pytest.mark.parametrize("command", ["cat <<E\n{x}\nE", "cat <<-'E' && echo {x}\nE"])
def test_a_place_behind_a_here_document_is_refused(command: str) -> None:
    with pytest.raises(InputError, match="as an argument"):
        draft_program(command, {"x": [1]}, None, None, None)


def test_a_here_document_behind_all_places_is_taken() -> None:
    assert outputs(program("echo {x}; cat <<E\nb\nE", x=["a"])) == ["a\nb\n"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("echo said; exit {x}", "exit status 3"),
        ("no-such-program-{x}", "exit status 127: a program that was not found"),
        ("echo said; kill -9 $$; : {x}", "killed by signal 9"),
    ],
)
def test_a_program_that_fails_is_an_error_with_its_output(command: str, told: str) -> None:
    case = program(command, x=[3])
    assert case.run() == 1
    assert case.states() == ["error"]
    kind, message, _ = case.error(0)
    assert kind == "ProgramFailed"
    assert message.startswith(told)
    assert ("said" in message) == ("said" in command)
    assert ("said" in case.log()) == ("said" in command)


def test_all_that_is_printed_goes_to_the_log_and_input_is_empty() -> None:
    case = program("cat; echo loud >&2; echo {x}", x=[1])
    assert outputs(case) == ["1\n"]
    assert sorted(case.log().splitlines()) == ["1", "loud"]


def test_an_error_shows_both_streams_and_of_this_job_alone() -> None:
    case = program("echo first {x}; echo why {x} >&2; exit {x}", x=[3, 4])
    assert case.run() == 1
    for job, number in enumerate((3, 4)):
        _, message, _ = case.error(job)
        told, *lines = message.splitlines()
        assert told.startswith(f"exit status {number}: ")
        assert sorted(lines) == [f"first {number}", f"why {number}"]


def test_what_is_printed_is_in_the_log_at_once(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    case = program(f"echo said; cat {gate}; echo {{x}}", x=[1])
    with case.element() as process:
        eventually(lambda: case.log() == "said\n", "the first line")
        gate.write_text("and the rest\n")
        assert process.wait(60) == 0
    assert case.log() == case.task.collect()[0]["output"] == "said\nand the rest\n1\n"


@pytest.mark.parametrize("options", [{"job_timeout": "2s"}, {"resources": {"walltime": "3s"}}])
def test_a_program_that_is_to_leave_has_time_and_its_last_words(
    local: Local, options: dict[str, Any]
) -> None:
    script = local.folder / "traps.sh"
    script.write_text(
        "trap 'sleep 0.5; echo cleaned up; exit 0' TERM\necho begun\nwhile :; do sleep 0.1; done\n"
    )
    here = Here()
    spec = here.create(draft_program(f"sh {script} {{n}}", {"n": [1]}, None, None, None))
    task = Task(here, spec.id)
    local.run(task, **options)
    assert states(task) == ["expired"]
    assert task.job(0).log().splitlines()[-1] == "cleaned up"


def test_a_program_that_is_deaf_is_killed(local: Local) -> None:
    here = Here()
    command = "trap '' TERM; echo begun; while :; do sleep 0.1; done; : {n}"
    spec = here.create(draft_program(command, {"n": [1]}, None, None, None))
    task = Task(here, spec.id)
    local.run(task, job_timeout="1s")
    assert states(task) == ["expired"]
    local.ended(task)


def test_a_log_without_room_ends_no_program() -> None:
    for output in ("/dev/full", None):
        launched = [sys.executable, "-c", RUNS]
        with open(output or os.devnull, "w") as log:
            ended = subprocess.run(
                launched, stdout=log, stderr=subprocess.PIPE, text=True, check=True
            )
        assert (
            ended.stderr
            == "{'status': 0, 'output': 'said\\n'} exit status 3: echo said; exit 3\nsaid"
        )


def test_output_that_is_no_text_still_is_a_result() -> None:
    assert outputs(program("printf '\\377%s' {x}", x=["a"])) == ["\ufffda"]


def test_a_value_with_a_zero_byte_is_one_jobs_error() -> None:
    case = program("echo {x}", x=["a\0b", "c"])
    assert case.run() == 1
    assert case.states() == ["error", "done"]
    assert case.error(0)[0] == "ValueError"


@pytest.mark.parametrize("isolate", [False, True])
def test_the_peak_memory_of_each_program_is_told(isolate: bool) -> None:
    block = 'b"x" * (int(sys.argv[1]) * 2**20)'
    script = f"import sys, time; block = {block}; time.sleep(0.02)"
    case = program(f"{sys.executable} -c '{script}' {{x}}", isolate=isolate, x=[90, 0])
    assert case.run() == 0, case.log()
    case.view()
    entries = read_entries(case.layout.index, everyone(2))
    large, small = (entries[job].memory >> 20 for job in range(2))
    assert 90 <= large < 200
    assert 1 <= small < 90


def test_a_launcher_starts_each_program() -> None:
    launched = ShellProgram("echo $A {x}", ["env", "A=it is; so"])
    assert launched(x="'") == {"status": 0, "output": "it is; so '\n"}
