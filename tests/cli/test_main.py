"""What all commands share: help, exit statuses, how fast they start."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from hpcbatch.cli.main import COMMANDS, main

from .conftest import PROGRAM, Shell

HEAVY = (
    "rich",
    "jinja2",
    "yaml",
    "fabric",
    "drmaa",
    "cloudpickle",
    "numpy",
    "matplotlib",
)
SHOW = (
    "import atexit, sys; "
    f"atexit.register(lambda: print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)); "
    "from hpcbatch.cli.entry_point import run; run()"
)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_and_its_summary_is_true(hb: Shell, name: str) -> None:
    command = main.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(200).rstrip(".") == COMMANDS[name][2].rstrip(".")
    text = hb.ok(name, "--help")
    assert "Examples:" in text
    assert f"hpcbatch {name}" in text
    assert "--json" in text


def test_help_lists_everything_in_order(hb: Shell) -> None:
    text = hb.ok("--help")
    for name, (_, _, summary) in COMMANDS.items():
        assert f"  {name} " in text
        assert summary in text
    for status in ("0", "1", "2", "3", "4", "5", "70", "130", "141"):
        assert f"    {status} " in text
    assert hb.ok("-h") == text
    assert "hpcbatch, version" in hb.ok("--version")


@pytest.mark.parametrize(
    "argv", [["--help"], ["--version"], ["map", "--help"], ["completion", "bash"]]
)
def test_a_disk_that_is_full(hb: Shell, argv: list[str]) -> None:
    with open("/dev/full", "w") as full:
        ended = hb.program(*argv, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert ended.returncode == 5
    assert ended.stderr.endswith("hpcbatch: standard output: No space left on device\n")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["stats"], "did you mean 'status'"),
        (["\x1b[31m"], "there is no command"),
        (["status", "--jsn"], "--json"),
        (["status", "a", "b"], "unexpected extra argument"),
        (["status", "--\x1b[31m"], "No such option"),
        (["watch"], "Missing argument 'ID'"),
    ],
    ids=range(6),
)
def test_wrong_command_lines(hb: Shell, argv: list[str], told: str) -> None:
    shown = hb.fails(2, *argv)
    assert told in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["status", "--bogus", "--json"], "No such option"),
        (["status", "--json", "--bogus"], "No such option"),
        (["--json", "status", "--bogus"], "No such option"),
        (["--bogus", "--json", "status"], "No such option"),
        (["logs", "last", "seven", "--json"], "'seven' is not a valid integer"),
        (["cancel", "--json"], "Missing argument 'ID'"),
        (["keys", "--json"], "Missing command"),
        (["stats", "--json"], "did you mean 'status'"),
        (["status", "last", "--root", "", "--json"], "it is empty"),
    ],
    ids=range(9),
)
def test_wrong_command_lines_in_json(hb: Shell, argv: list[str], told: str) -> None:
    result = hb(*argv)
    assert result.exit_code == 2
    answer = json.loads(result.stdout)
    assert answer.keys() == {"error", "message"}
    assert answer["error"] == "UsageError"
    assert told in answer["message"]
    assert result.stderr == f"hpcbatch: {answer['message']}\n"


def test_an_option_as_other_tools_call_it(hb: Shell) -> None:
    assert "There is no option --partition; did you mean --queue?" in hb.fails(
        2, "map", "sim.py:echo", "--arg", "x=1", "--partition", "gpu"
    )
    assert "no option --partition" not in hb.fails(2, "list", "--partition", "gpu").lower()


def test_help_of_a_group_that_is_called_alone(hb: Shell) -> None:
    assert hb("keys").output.count("Usage:") == 1


@pytest.mark.parametrize(
    "argv",
    [["doctor"], ["config", "show"], ["completion", "bash"], ["keys", "whoami"], ["site", "list"],
     ["remote", "close", "ssh://me@login"], ["server", "sample-settings"]],
    ids=" ".join,
)  # fmt: skip
def test_what_is_about_this_machine_refuses_a_site(hb: Shell, argv: list[str]) -> None:
    for line in (["--site", "lab", *argv], [*argv, "--site", "lab"]):
        assert "leave --site away" in hb.fails(2, *line)
    assert "--site SITE" not in hb.ok(*argv, "--help")


@pytest.mark.parametrize(
    "argv",
    [["completion", "bash"], ["server", "sample-settings"], ["clusters", "init", "--output", "-"]],
    ids=" ".join,
)
def test_a_file_for_others_is_json_where_that_is_asked(hb: Shell, argv: list[str]) -> None:
    assert hb.json(*argv)["text"].strip() == hb.ok(*argv).strip()


@pytest.mark.parametrize("argv", [["--help"], ["status", "last", "--json"]], ids=str)
def test_what_is_asked_often_loads_little(hb: Shell, argv: list[str]) -> None:
    """How fast that is, ``make bench`` tells."""
    hb.map("echo")
    shown = subprocess.run(
        [sys.executable, "-c", SHOW, *argv], capture_output=True, text=True, check=True
    )
    assert shown.stderr.strip() == "[]"


def test_debug_shows_the_traceback_and_the_commands(hb: Shell) -> None:
    task = hb.map("echo")
    shown = hb.program("--debug", "status", "nothing").stderr
    assert "Traceback" in shown
    assert "NotFound" in shown
    assert "Traceback" in hb.program("status", "nothing", "--debug").stderr
    assert "Traceback" not in hb.program("status", "nothing").stderr
    hb.fakes.hold()
    shown = hb.program("--debug", "resubmit", task, "--json").stderr
    assert "Traceback" not in shown


def test_a_terminal_of_few_letters(hb: Shell) -> None:
    task = hb.map("echo", "--name", "ünï漢")
    for options in (["status", task], ["--help"]):
        ended = hb.program(*options, env={**os.environ, "PYTHONIOENCODING": "ascii"})
        assert ended.returncode == 0, ended.stderr
        assert "Error" not in ended.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_closed_streams(hb: Shell, closed: str) -> None:
    task = hb.map("echo")
    argv = ["bash", "-c", f'"$@" {closed}', "-", *PROGRAM, "status", task]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""


def test_bytes_that_are_no_text(hb: Shell) -> None:
    argv = ["map", "sim.py:echo", "--arg", "x=1", "-c", "slurm", "--name"]
    assert _bytes(argv, b"a\xffb") == 0
    assert _bytes(["list"]) == 0
    assert _bytes(["status", "last"]) == 0
    for bad in (b"\xff.py:f", b"--\xff"):
        assert _bytes(["map"], bad) == 2


def _bytes(argv: list[str], *last: bytes) -> int:
    ended = subprocess.run(
        [*map(os.fsencode, [*PROGRAM, *argv]), *last], capture_output=True, check=False
    )
    assert b"Traceback" not in ended.stderr
    assert ended.stdout.isascii()
    return ended.returncode


def test_terminated_it_unwinds(hb: Shell) -> None:
    hb.fakes.hold()
    task = hb.map("echo")
    watching = hb.start("watch", task)
    assert watching.stdout is not None
    watching.stdout.readline()
    watching.terminate()
    assert watching.wait(30) == 143
