"""What elements find, in which order they start, and how many run at once."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

COUNTED = "echo + >> log; sleep 0.06; echo - >> log"


def test_an_element_finds_a_clean_place(local: Any) -> None:
    body = """
    env > env.$HPCBATCH_LOCAL_INDEX; cat /proc/$$/stat > stat; umask > umask
    readlink /proc/self/fd/{0,1,2} > fds; ls /proc/$$/fd > open
    grep -E 'Sig(Ign|Blk)' /proc/self/status > signals"""
    at_start = {"LANG": "C.UTF-8", "SECRET": "1", "PATH": "/nowhere", "TMPDIR": str(local.work)}
    id = local.submit("pwd > pwd\n" + body, env=at_start, elements=2)
    assert {end["ending"] for end in local.ended(id).values()} == {"ok"}
    environment = dict(line.split("=", 1) for line in local.lines("env.1"))
    for name in ("PWD", "OLDPWD", "SHLVL", "_"):  # of bash itself
        environment.pop(name, None)
    assert environment.pop("HPCBATCH_LOCAL_INDEX") == "1"
    assert environment.pop("HPCBATCH_LOCAL_ID") == id
    assert environment.pop("HPCBATCH_LOCAL_SPOOL") == str(local.base)
    assert environment.pop("PATH") == "/usr/local/bin:/usr/bin:/bin"
    assert environment.pop("TERM") == "dumb"
    assert environment["TMPDIR"] == str(local.work)
    assert set(environment) <= {"HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TMPDIR"}
    pid, rest = local.lines("stat")[0].split()[0], local.lines("stat")[0].rpartition(")")[2]
    group, session = rest.split()[2:4]
    assert pid == group == session
    assert local.lines("umask") == ["0077"]
    assert local.lines("fds")[0] == "/dev/null"
    assert local.lines("fds")[2] == "/dev/null"
    assert set(local.lines("open")) <= {"0", "1", "2", "255"}  # 255: the script, opened by bash
    # libc keeps signals of its own, which a parent may have ignored and nobody can put back
    known = sum(1 << (number - 1) for number in signal.valid_signals())
    assert [int(line.split()[1], 16) & known for line in local.lines("signals")] == [0, 0]


def test_elements_start_in_order(local: Any) -> None:
    id = local.submit("echo $HPCBATCH_LOCAL_INDEX >> order", elements=30, throttle=1)
    ends = local.ended(id)
    assert local.lines("order") == [str(index) for index in range(30)]
    assert all(ends[k]["ended"] <= ends[k + 1]["started"] for k in range(29))


def test_throttle_and_machine_hold_across_submissions(local: Any) -> None:
    three = {"HPCBATCH_LOCAL_SLOTS": "3"}
    company = "until [ $(grep -c + {}) -ge {} ]; do sleep 0.02; done"
    counted = COUNTED.replace("; ", f"; {company.format('log', 3)}; ", 1)
    both = f"echo + >> one; {company.format('one', 2)}; {counted}; echo - >> one"
    one = local.submit(both, three, elements=12, throttle=2)
    two = local.submit(counted, three, elements=12)
    assert len(local.ended(one)) == len(local.ended(two)) == 12
    assert local.lines("log").count("+") == 24
    assert local.peak() == 3
    assert local.peak("one") == 2


def test_two_submitted_at_once_get_two_numbers(local: Any) -> None:
    started = [
        subprocess.Popen(
            local.command("submit"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=local.environment,
        )
        for _ in range(4)
    ]
    script = local.script(COUNTED, elements=3).encode()
    ids = {process.communicate(script)[0].decode().strip() for process in started}
    assert len(ids) == 4
    for id in ids:
        assert set(local.ended(id)) == {0, 1, 2}
    assert local.lines("log").count("+") == 12
    assert local.peak() <= 2


def test_a_wide_element_is_not_passed_for_ever(local: Any) -> None:
    narrow = local.submit("sleep 0.05", elements=400)
    wide = local.submit("echo + >> wide", cpus=2)
    assert local.ended(wide)[0]["ending"] == "ok"
    assert local.listed(narrow)["queued"][0][0] < 100
    local.cancel(narrow, "--kill-wait", "0")


def test_wide_ones_take_all_or_nothing(local: Any) -> None:
    three = {"HPCBATCH_LOCAL_SLOTS": "3"}
    ids = [local.submit(COUNTED, three, elements=6, cpus=2) for _ in range(2)]
    for id in ids:
        assert {end["ending"] for end in local.ended(id).values()} == {"ok"}
    assert local.peak() == 1


def test_too_wide_is_refused(local: Any) -> None:
    done = local.run("submit", script=local.script("true", cpus=3))
    assert done.returncode == 1
    assert b"3 cpus can never start: this machine has 2 slots" in done.stderr
    assert local.ask("history") == []


def test_slots_of_a_killed_supervisor_are_free_at_once(local: Any) -> None:
    first = local.submit("echo $$ > first; sleep 1000", cpus=2)
    local.number("first")
    second = local.submit("echo $$ > second", cpus=2)
    assert local.listed(second)["queued"] == [[0, 0]]
    os.kill(local.listed(first)["supervisor"], signal.SIGKILL)
    assert local.ended(second)[0]["ending"] == "ok"


def test_a_supervisor_that_waits_costs_nearly_nothing(local: Any) -> None:
    first = local.submit("echo $$ > first; sleep 1000", cpus=2)
    local.number("first")
    second = local.submit("true")
    supervisor = local.listed(second)["supervisor"]

    def spent() -> float:
        fields = Path(f"/proc/{supervisor}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    before, began = spent(), time.monotonic()
    local.eventually(lambda: time.monotonic() - began > 1.5)
    assert spent() - before <= 0.05
    assert local.listed(second)["queued"] == [[0, 0]]
    local.cancel(first, "--kill-wait", "0")
    assert local.ended(second)[0]["ending"] == "ok"
