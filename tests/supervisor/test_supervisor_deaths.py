"""What survives which death."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
from pathlib import Path
from typing import Any

FAMILY = """
echo $$ > leader
( setsid bash -c 'echo $$ > escaped; exec env -i sleep 1000' & )
bash -c 'trap "" TERM; echo $$ > child; while :; do sleep 1000; done'
"""


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def gone(pid: int) -> bool:
    """Dead; who adopted it may not have buried it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def family(local: Any) -> list[int]:
    return [local.number(name) for name in ("leader", "escaped", "child")]


def test_a_killed_supervisor_takes_its_elements_along(local: Any) -> None:
    id = local.submit(FAMILY, elements=3, throttle=1)
    pids = family(local)
    os.kill(local.listed(id)["supervisor"], signal.SIGKILL)
    local.eventually(lambda: all(gone(pid) for pid in pids), "the elements to die")
    local.eventually(lambda: local.words(id) == ["lost"] * 3)
    assert local.everything() == []
    ends = local.endings(id)
    assert ends[0]["started"] > 0
    assert ends[1]["started"] is None
    local.cancel(id)


def test_what_ended_before_keeps_its_ending(local: Any) -> None:
    body = "[ $HPCBATCH_LOCAL_INDEX = 0 ] && exit 5; echo $$ > pid; sleep 1000"
    id = local.submit(body, elements=3, throttle=1)
    local.number("pid")
    supervisor = local.listed(id)["supervisor"]
    os.kill(supervisor, signal.SIGKILL)
    local.eventually(lambda: gone(supervisor))
    with (local.folder(id) / "endings").open("a") as file:
        file.write('{"index": 1, "ending": "o')  # a torn last line
    assert local.words(id) == ["exit-code", "lost", "lost"]


def test_a_killed_shepherd_costs_its_own_element_only(local: Any) -> None:
    other = local.submit("echo $$ > other; sleep 1000")
    pid = local.number("other")
    id = local.submit(FAMILY)
    pids = family(local)
    shepherd = parent(pids[0])
    os.kill(shepherd, signal.SIGKILL)
    end = local.ended(id)[0]
    assert (end["ending"], end["signal"]) == ("killed", 9)
    assert all(gone(pid) for pid in pids)
    assert not gone(pid)
    local.cancel(other, "--kill-wait", "0")


def waits(pid: int) -> int:
    """How often it has waited for something so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def test_a_shepherd_that_can_open_no_file_goes_on_when_it_can(local: Any) -> None:
    id = local.submit(FAMILY)
    pids = family(local)
    shepherd = parent(pids[0])
    limits = resource.prlimit(shepherd, resource.RLIMIT_NOFILE)
    polled = 2  # poll(2) refuses more than the limit
    resource.prlimit(shepherd, resource.RLIMIT_NOFILE, (polled, limits[1]))
    before = waits(shepherd)
    local.cancel(id, "--kill-wait", "0")
    local.eventually(lambda: waits(shepherd) > before + 20, "it to fail again and again")
    assert not any(map(gone, pids))
    resource.prlimit(shepherd, resource.RLIMIT_NOFILE, limits)
    assert local.ended(id)[0]["ending"] == "canceled"
    assert all(map(gone, pids))


def test_when_supervisor_and_shepherds_are_killed_cancel_clears_up(local: Any) -> None:
    id = local.submit("setsid sleep 1000 & echo $! > escaped; echo $$ > leader; sleep 1000")
    leader, escaped = local.number("leader"), local.number("escaped")
    shepherd = parent(leader)
    os.kill(shepherd, signal.SIGSTOP)  # so that it cannot act before it is killed
    os.kill(local.listed(id)["supervisor"], signal.SIGKILL)
    os.kill(shepherd, signal.SIGKILL)
    local.eventually(lambda: gone(leader))
    local.cancel(id)
    local.eventually(lambda: gone(escaped))


def test_term_cancels_what_runs(local: Any) -> None:
    id = local.submit("echo $$ > pid; sleep 1000", elements=4, throttle=1)
    pid = local.number("pid")
    os.kill(local.listed(id)["supervisor"], signal.SIGTERM)
    assert {end["ending"] for end in local.ended(id).values()} == {"canceled"}
    assert len(local.endings(id)) == 4
    assert gone(pid)


def test_a_submission_outlives_its_terminal(local: Any) -> None:
    """The submitter leads a session with a terminal, which is then hung up."""
    script = local.work / "script"
    script.write_text(local.script("echo $$ > pid; until [ -e go ]; do sleep 0.02; done"))
    pid, terminal = os.forkpty()
    if pid == 0:
        command = " ".join(local.command("submit"))
        line = f"{command} < {script} > {local.work}/id; echo done > {local.work}/done; sleep 1000"
        os.execve("/bin/bash", ["bash", "-c", line], local.environment)
    local.eventually(lambda: local.lines("done"))
    id = local.lines("id")[0]
    local.number("pid")
    supervisor = local.listed(id)["supervisor"]
    os.close(terminal)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGHUP
    os.kill(supervisor, signal.SIGHUP)
    assert local.listed(id)["running"] == [[0, 0]]
    (local.work / "go").touch()
    assert local.ended(id)[0]["ending"] == "ok"


def test_a_submitter_killed_anywhere_leaves_all_or_nothing(local: Any) -> None:
    chance = random.Random(7)
    for turn in range(20):
        name = f"turn-{turn}"
        script = local.script(f"echo ran >> {name}", name=name).encode()
        submitter = subprocess.Popen(
            local.command("submit"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=local.environment,
            start_new_session=True,
        )
        assert submitter.stdin is not None
        submitter.stdin.write(script)
        submitter.stdin.close()
        try:
            submitter.wait(chance.uniform(0.02, 0.14))
        except subprocess.TimeoutExpired:
            os.killpg(submitter.pid, signal.SIGKILL)
            submitter.wait()
    local.nothing_lives()
    found = {entry["name"]: entry["elements"] for entry in local.ask("history")}
    for turn in range(20):
        ran = local.lines(f"turn-{turn}")
        if f"turn-{turn}" in found:
            assert [end["ending"] for end in found[f"turn-{turn}"]] == ["ok"]
            assert ran == ["ran"]
        else:
            assert ran == []
    assert local.submit("true") not in {entry["id"] for entry in local.ask("history")[:-1]}


def test_a_full_disk_delays_the_endings_only(local: Any) -> None:
    body = "until [ -e go.$HPCBATCH_LOCAL_INDEX ]; do sleep 0.02; done"
    id = local.submit(body, elements=3, throttle=2)
    local.eventually(lambda: local.listed(id).get("running") == [[0, 1]])
    supervisor = local.listed(id)["supervisor"]
    _, hard = resource.prlimit(supervisor, resource.RLIMIT_FSIZE)
    resource.prlimit(supervisor, resource.RLIMIT_FSIZE, (1, hard))
    (local.work / "go.0").touch()
    (local.work / "go.2").touch()
    log = local.folder(id) / "log"
    shepherds = f"/proc/{supervisor}/task/{supervisor}/children"
    local.eventually(lambda: len(Path(shepherds).read_text().split()) == 1, "0 and 2 to end")
    assert local.endings(id) == {}
    assert local.listed(id)["running"] == [[0, 1]]  # not yet in the history: not yet gone here
    resource.prlimit(supervisor, resource.RLIMIT_FSIZE, (hard, hard))
    local.eventually(lambda: set(local.endings(id)) == {0, 2}, "the write to be tried again")
    local.eventually(lambda: local.listed(id)["running"] == [[1, 1]])
    assert log.exists()
    (local.work / "go.1").touch()
    assert {end["ending"] for end in local.ended(id).values()} == {"ok"}
