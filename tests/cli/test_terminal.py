"""What a person sees: tables, colours, questions; on a pseudo terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable

import pytest

from hpcbatch.cli.waiting import CLEAR
from hpcbatch.pool.folder import make_pool
from tests.core import at_rest, eventually

from .conftest import PROGRAM, Shell

COLOUR = re.compile(r"\x1b\[[0-9;]*(3[0-7]|[34]8;[25];[0-9;]+)m")


def talk(
    *argv: str, answer: str = "", cols: int = 120, when: Callable[[str], bool] = bool, **env: str
) -> tuple[int, str]:
    """Run a command on a terminal; ``answer`` is typed as soon as ``when`` holds of its output."""
    pid, terminal = pty.fork()
    if pid == 0:
        clean = {**os.environ, "TERM": "xterm-256color", **env}  # readline puts COLUMNS behind it
        os.execvpe(PROGRAM[0], [*PROGRAM, *argv], clean)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, cols, 0, 0))
    output, give_up = b"", time.monotonic() + 30
    while time.monotonic() < give_up and select.select([terminal], [], [], 30)[0]:
        try:
            read = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        output += read
        if answer and when(output.decode("utf-8", "replace")):
            eventually(lambda: at_rest(pid), "it to wait for the answer")  # else Ctrl-C is lost
            os.write(terminal, answer.encode())
            answer = ""
    else:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    return status, output.decode("utf-8", "replace")


def staying(shown: str) -> list[str]:
    """The lines that are left when what was slow, and told so, is over."""
    clear = re.escape(CLEAR)
    return re.sub(rf"{clear}[^\r\n]*(?={clear})", "", shown).replace(CLEAR, "").splitlines()


@pytest.fixture(autouse=True)
def _no_colour_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("command", ["list", "status", "jobs", "doctor"])
def test_colours_are_for_those_who_want_them(hb: Shell, command: str) -> None:
    task = hb.map()
    argv = {"list": ["list"], "doctor": ["doctor", "--no-node"]}.get(command, [command, task])
    shown = talk(*argv)[1]
    assert ("configuration" if command == "doctor" else "done") in shown
    assert COLOUR.search(shown)
    assert not COLOUR.search(talk(*argv, NO_COLOR="1")[1])
    assert not COLOUR.search(talk(*argv, TERM="dumb")[1])


def test_a_narrow_terminal_keeps_ids_whole(hb: Shell) -> None:
    task = hb.map("echo", "--name", "n" * 40)
    assert task in talk("list", cols=80)[1]


def test_a_narrow_terminal_gets_fewer_columns_and_no_broken_ones(hb: Shell) -> None:
    hb.map("echo", "--name", "n" * 20)
    hb.fakes.hold()
    hb.ok("cancel", hb.map("echo"), "--yes")
    wide = talk("list", cols=160)[1]
    assert all(name in wide for name in ("attempts", "canceled", "created"))
    shown, _, left_out = talk("list", cols=80)[1].partition("For want of room, without: ")
    assert "canceled" in shown
    assert "attempts" not in shown
    assert left_out.startswith("attempts")
    assert len([line for line in staying(shown) if line.strip()]) == 4, shown


@pytest.mark.parametrize("argv", [("pool", "list"), ("jobs", "last"), ("clusters",)])
def test_no_word_of_a_table_is_broken(hb: Shell, argv: tuple[str, ...]) -> None:
    make_pool("n" * 20, "slurm", 10, "0")
    hb.map("echo")

    def words(cols: int) -> set[str]:
        shown = "\n".join(staying(talk(*argv, cols=cols)[1])).partition("For want of room")[0]
        return set(re.sub(r"\x1b\[[0-9;]*m|─", "", shown).split())

    assert words(60) <= words(200)


def test_where_many_states_find_no_room_they_are_words(hb: Shell) -> None:
    done = hb.map("echo", "--name", "n" * 30)
    hb.fakes.hold()
    hb.ok("cancel", hb.map("echo"), "--yes")
    shown = talk("list", cols=60)[1].partition("For want of room")[0]
    rows = [line.split() for line in staying(shown)]
    assert "states" in shown
    assert [done, "6", "6", "done"] in rows


def test_a_table_has_no_empty_columns_on_a_terminal(hb: Shell) -> None:
    hb.map("echo")
    shown = talk("list", cols=160)[1]
    assert "done" in shown
    assert "expired" not in shown
    assert "EXPIRED" in hb.ok("list")


def test_the_live_view_shows_the_newest_failures(hb: Shell) -> None:
    shown = talk("watch", hb.map())[1]
    assert "ValueError: three is bad" in shown


def test_logs_begin_with_whose_they_are(hb: Shell) -> None:
    task = hb.map()
    assert "job 3 error (ValueError), attempt 1, element 0 on" in talk("logs", task, "3")[1]


def test_markup_and_escapes_are_only_text(hb: Shell) -> None:
    (hb.work / "rude.py").write_text(
        'class red(Exception): pass\nred.__name__ = "[red]\\x1b[5m"\n'
        "def f(x):\n    print('\\x1b]0;pwned\\x07')\n    raise red('[/red]\\x1b[6n')\n"
    )
    task = hb.map("f", "--arg", "x=1", "--name", "[bold]\x1b[6n", file="rude.py")
    for argv in (["jobs", task], ["list"], ["watch", task], ["errors", task, "--traceback"]):
        shown = talk(*argv)[1]
        assert "\x1b[6n" not in shown
        assert "\x1b[5m" not in shown
    assert "[red]" in talk("jobs", task)[1]
    assert "\x1b]0" not in talk("logs", task, "0")[1]


def test_a_live_view(hb: Shell) -> None:
    hb.fakes.hold()
    task = hb.map("echo")
    status, shown = talk("watch", task, answer="\x03", when=lambda text: "Ctrl-C" in text)
    assert status == 130
    assert "queued" in shown
    assert "Resources" in shown
    assert "goes on" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back
    assert "total" in shown[shown.rindex("\x1b[?1049l") :]  # and the status stays to be read
    status, shown = talk("watch", hb_done(hb))
    assert status == 1
    assert "83.3 %" in shown


def hb_done(hb: Shell) -> str:
    hb.fakes.obey()
    return hb.map()


def test_waiting_shows_a_bar(hb: Shell) -> None:
    status, shown = talk(
        "map", "sim.py:echo", "--arg", "x=1,2", "-c", "slurm", "--chunk", "9", "--wait"
    )
    assert status == 0
    assert "2/2" in shown


@pytest.mark.parametrize("command", ["cancel", "remove"])
def test_a_question_comes_first(hb: Shell, command: str) -> None:
    task = hb.map("echo")
    asked = lambda text: "[y/N]" in text  # noqa: E731
    assert talk(command, task, answer="n\n", when=asked)[0] == 130
    assert talk(command, task, answer="\x03", when=asked)[0] == 130
    assert hb.tasks() == [task]
    assert talk(command, task, answer="y\n", when=asked)[0] == 0
    if command == "remove":
        assert hb.tasks() == []
    else:
        assert talk(command, task, "--yes")[0] == 0


def test_what_takes_long_is_told(hb: Shell) -> None:
    (hb.work / "slow.py").write_text("import time\ntime.sleep(1.5)\ndef f(x):\n    return x\n")
    status, shown = talk("map", "slow.py:f", "--arg", "x=1", "-c", "slurm")
    assert status == 0
    assert "reading the inputs" in shown


def test_long_tables_are_plain(hb: Shell) -> None:
    task = hb.map("echo", "--arg", "x=range:0:600", "--chunk", "600")
    lines = staying(talk("jobs", task)[1])
    assert lines[0].startswith("JOB\tSTATE")
    assert len(lines) == 601


def test_a_live_view_fits_the_terminal(hb: Shell) -> None:
    hb.fakes.hold()
    task = hb.map("echo")
    wide = talk("watch", task, answer="\x03", when=lambda text: "Ctrl-C" in text, cols=120)[1]
    narrow = talk("watch", task, answer="\x03", when=lambda text: "Ctrl-C" in text, cols=60)[1]
    assert 1 < longest_bar(narrow) < longest_bar(wide) < 120


def longest_bar(shown: str) -> int:
    return max(len(bar) for bar in re.findall("━+", shown))
